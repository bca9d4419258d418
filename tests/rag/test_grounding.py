import uuid
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from rag.errors import Ungrounded
from rag.grounding import Grounding


@dataclass(frozen=True)
class Card:
    text: str
    title: str = ""
    id: UUID = field(default_factory=uuid.uuid4)


STEERING = Card("Which part of the task do you find yourself steering around?")
CAMERA = Card("If a camera had filmed it, what would the film show, without a single opinion?")
TEN = Card("What could you do in ten minutes if it were allowed to be bad?")
CARDS = (STEERING, CAMERA, TEN)


async def said(*clauses):
    for clause in clauses:
        yield clause


async def released(grounding, *clauses):
    return [text async for text in grounding.release(said(*clauses))]


async def test_a_draft_on_a_passage_comes_through_whole_and_cites_its_words(encoder):
    grounding = Grounding(CARDS, encoder)
    clauses = ("What would a camera have filmed, ", "without any opinion in it?")
    assert "".join(await released(grounding, *clauses)) == "".join(clauses)
    ((place, quote),) = grounding.cited()
    assert CARDS[place] is CAMERA
    assert quote in CAMERA.text
    assert "camera" in quote
    assert "opinion" in quote


async def test_a_beginning_that_rests_on_nothing_yet_is_held_back(encoder):
    grounding = Grounding(CARDS, encoder)
    texts = await released(
        grounding, "And now, ", "what could you get done in ten minutes ", "if it may be bad?"
    )
    assert texts[0].startswith("And now, what could")
    assert "".join(texts) == "And now, what could you get done in ten minutes if it may be bad?"


@pytest.mark.parametrize(
    "draft",
    [
        "Quit your job and move to the sea.",
        "Perfectionism comes from low serotonin, so ask a doctor for pills.",
        "Send an email to the director tonight.",
    ],
)
async def test_a_draft_of_its_own_making_is_not_let_go(encoder, draft):
    shown = []
    with pytest.raises(Ungrounded):
        async for text in Grounding(CARDS, encoder).release(said(draft)):
            shown.append(text)  # noqa: PERF401  what was shown before the error counts
    assert shown == []


async def test_an_invention_after_a_true_sentence_stops_the_draft(encoder):
    grounding = Grounding(CARDS, encoder)
    shown = []
    with pytest.raises(Ungrounded):
        async for text in grounding.release(
            said("Which part of the report are you steering around? ", "Sue the company for it.")
        ):
            shown.append(text)  # noqa: PERF401
    assert "".join(shown).strip() == "Which part of the report are you steering around?"


async def test_a_passage_the_draft_does_not_rest_on_is_not_cited(encoder):
    grounding = Grounding(CARDS, encoder)
    await released(
        grounding,
        "Which part of the task do you steer around? ",
        "What could you do in ten minutes if it were bad?",
    )
    assert [CARDS[place] for place, _ in grounding.cited()] == [STEERING, TEN]
    assert [CARDS[place] for place, _ in grounding.cited(preferred=[2])] == [TEN, STEERING]


async def test_words_alone_decide_without_an_encoder():
    grounding = Grounding(CARDS, None)
    assert await released(grounding, "What part of the task do you steer around?")
    with pytest.raises(Ungrounded):
        await released(Grounding(CARDS, None), "Book a flight to Lisbon.")


async def test_nothing_rests_on_no_passages(encoder):
    with pytest.raises(Ungrounded):
        await released(Grounding((), encoder), "What matters most to you?")

import uuid
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from rag.citations import support


@dataclass(frozen=True)
class Cited:
    text: str
    title: str = ""
    id: UUID = field(default_factory=uuid.uuid4)


LISTEN = Cited("Say back what you heard before you add anything of your own.")
SCALE = Cited(
    "On a scale from one to ten, how confident are you? What would make it one step more?",
    title="The scaling question",
)


def test_a_clause_rests_on_the_passage_it_repeats():
    found = support("How confident are you on a scale from one to ten?", [LISTEN, SCALE])
    assert found is not None
    assert found.passage == SCALE.id
    assert found.score > 0.5
    assert found.score == pytest.approx(1.0)


def test_a_quote_is_words_of_the_passage():
    found = support("First say back what you have heard.", [SCALE, LISTEN])
    assert found is not None
    assert LISTEN.text[found.start : found.end] == found.quote
    assert "heard" in found.quote


def test_other_word_forms_support_too():
    found = support("Saying back what was heard, adding nothing", [LISTEN])
    assert found is not None
    assert found.score > 0.5


@pytest.mark.parametrize(
    "clause",
    ["Book a flight to Lisbon tomorrow.", "Your doctor can prescribe something for that."],
)
def test_what_the_passages_do_not_say_is_not_supported(clause):
    found = support(clause, [LISTEN, SCALE])
    assert found is None or found.score < 0.5


def test_words_that_say_nothing_need_no_support():
    assert support("And then, what would you do?", []) is None
    assert support("It is what it is.", [LISTEN]) is None


def test_a_title_counts_as_said():
    found = support("Try the scaling question: how confident are you?", [SCALE])
    assert found is not None
    assert found.score > 0.5


def test_the_same_question_gets_the_same_answer():
    asked = ("How confident are you to say back what you heard?", [LISTEN, SCALE])
    assert len({support(*asked) for _ in range(5)}) == 1

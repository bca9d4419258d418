"""Words that may weigh more than they say: no model answers, nobody is called, help is at hand."""

from dataclasses import replace
from typing import Any

import pytest

from coach.models import Event
from safety.classifiers import Classifiers, Signals
from safety.guardrails import CAREFUL_POINT
from tests.coach.roads import engines_with, walk
from tests.people import EVERYTHING

STUCK = "I keep putting off the report for the steering group"


class Uneasy:
    """The real classifiers, but for one score."""

    def __init__(self, real: Classifiers) -> None:
        self._real = real

    async def read_signals(self, text: str, **how: Any) -> Signals:
        return replace(await self._real.read_signals(text, **how), self_harm=CAREFUL_POINT)


@pytest.fixture
async def engines(model):
    model.raw.clear()
    async with engines_with(model) as engines:
        yield replace(engines, classifiers=Uneasy(engines.classifiers))


async def told_to_facilitators(room, utterance) -> list[dict[str, Any]]:
    rows = Event.objects.filter(
        stream__session_id=room.session, stream__audience="facilitators",
        frame__utterance=str(utterance.id),
    )  # fmt: skip
    return [row async for row in rows.values_list("frame", flat=True)]


async def test_a_passage_answers_with_help_at_hand_and_nobody_is_called(engines, model, room):
    ada = await room.ticket("Ada", EVERYTHING)
    road = await walk(engines, ada, STUCK)
    assert model.raw == []
    assert road.utterance.outcome == "nudge.done"
    frame = next(f for f in road.frames if f["type"] == "nudge.done")
    assert frame["source"] == "playbook"
    assert all(contact["name"] for contact in frame["help"]["contacts"])
    assert frame["help"]["contacts"]
    assert "body" not in frame["help"], "the card says that the facilitator was told"
    frames = await told_to_facilitators(room, road.utterance)
    assert [f for f in frames if "alert" in f] == []
    assert [f["signals"]["careful"] for f in frames if "signals" in f] == [True]


async def test_who_shares_no_words_with_the_facilitator_shares_no_unease_either(engines, room):
    road = await walk(engines, await room.ticket("Ada", {"coaching": ["utterance"]}), STUCK)
    assert any("help" in frame for frame in road.frames)
    frames = await told_to_facilitators(room, road.utterance)
    assert frames
    assert "careful" not in str(frames)
    assert "help" not in str([frame.keys() for frame in frames])
    assert {frame["reason"] for frame in frames} == {""}
    # What a facilitator's lists, "why this" and a later release are made from.
    assert road.nudge is not None
    assert (road.nudge.reason, road.utterance.reason) == ("", "")
    assert "careful" not in str(road.nudge.trace)


async def test_without_a_nudge_help_is_at_hand_all_the_same(engines, room):
    road = await walk(engines, await room.ticket("Ada", EVERYTHING), "mm-hm")
    assert road.utterance.outcome == "no_nudge"
    assert any("help" in frame for frame in road.frames)

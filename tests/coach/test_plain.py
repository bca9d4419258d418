"""What is kept of somebody is read in words, not in the names of columns."""

import re

import pytest
from django.utils import translation

from coach.live.client import LiveClient
from coach.models import Member
from coach.rooms import plain
from coach.rooms.keeping import KEPT
from coach.rooms.rights import export_member
from consent.models import Receipt
from tests.people import EVERYTHING, Room

RAW = re.compile(r"\w_\w|\w\.\w|[{}]|T\d\d:\d\d")


@pytest.fixture
async def eve(room: Room) -> Member:
    """Eve has talked, judged a nudge, and told something about herself."""
    ticket = await room.ticket("Eve", EVERYTHING, goal="Leave at five")
    async with LiveClient(room.server.ws, ticket) as line:
        turn = await line.ask("I keep putting off the report for the steering group")
        judged = {"type": "feedback", "nudge": turn.terminals[0]["nudge"], "verdict": "accepted"}
        await line.send(judged)
        await line.until("nudge.feedback")
    return await Member.objects.aget(id=ticket.member)


async def test_every_column_that_is_given_out_has_a_label(eve: Member) -> None:
    # A receipt is written in the words of its standard.
    given = [e.give(eve) for e in KEPT if e.give is not None and e.model is not Receipt]
    rows = [content if isinstance(content, list) else [content] for content in given]
    columns = {key for content in rows for row in content for key in row}
    assert "text" in columns
    assert columns - plain.LABELS.keys() == {"frame"}


@pytest.mark.parametrize("language", ["en", "de", "ar"])
async def test_no_line_of_it_is_raw(eve: Member, language: str) -> None:
    with translation.override(language):
        parts = plain.parts(export_member(eve))
        told = [line for part in parts[:-1] for row in part.rows for line in flat(row)]
    assert told
    assert [line.label for line in told if RAW.search(line.label)] == []
    coded = [line.text for line in told if line.label in ("purpose", "what", "reason", "from")]
    assert [text for text in coded if RAW.search(text)] == []


async def test_codes_and_moments_are_told_as_people_say_them(eve: Member) -> None:
    parts = {part.what: part for part in plain.parts(export_member(eve))}
    (verdict,) = parts["their verdicts on nudges"].rows
    told = {line.label: line.text for line in verdict}
    assert told["what you made of it"] == "accepted"
    assert re.match(r"[A-Z][a-z]+\.? \d", told["when"])
    allowed = parts["what they allowed"].rows
    purposes = {line.text for row in allowed for line in row if line.label == "purpose"}
    assert purposes == {"nudges", "the facilitator's view"}
    (words,) = parts["what they wrote about themselves, sealed"].rows
    assert ("my goal", "Leave at five") in [(line.label, line.text) for line in words]


async def test_what_is_masked_is_called_what_it_is(eve: Member) -> None:
    export = export_member(eve)
    said = {"content": [{"text": "[NAME-k7f3q] wrote to [BIRTH_DATE-aaaaa]"}]}
    export["kept"] = {"utterance": {**export["kept"]["utterance"], **said}}
    (part,) = plain.parts(export)
    ((line,),) = part.rows
    assert line.text == "[a name] wrote to [something masked]"


def flat(lines: tuple[plain.Line, ...]) -> list[plain.Line]:
    return [each for line in lines for each in (line, *flat(line.lines))]

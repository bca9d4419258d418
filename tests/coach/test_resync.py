"""Whoever comes back to a history that has lost its beginning reads anew what is still kept."""

from typing import Any

import psycopg
import pytest
from django.core.management import call_command

from coach.live.client import EventClient, LiveClient, Ticket
from tests.people import EVERYTHING, Room

WORDS = (
    "I keep putting off the report for the steering group",
    "and I do not know where to start with it",
    "they expect a plan that I do not have",
)


@pytest.fixture
async def ticket(room: Room) -> Ticket:
    """A seat whose holder has said all of WORDS, and has left."""
    seat = await room.ticket("Ada", EVERYTHING)
    async with LiveClient(room.server.ws, seat) as ada:
        for words in WORDS:
            await ada.ask(words)
    return seat


def forget(superuser: psycopg.Connection, ticket: Ticket, *, through: int) -> None:
    """Let retention remove a member's events up to this number."""
    superuser.execute(
        "UPDATE coach_event e SET at = at - interval '90 days' FROM coach_stream s"
        " WHERE s.id = e.stream_id AND s.audience = %s AND e.seq <= %s",
        [ticket.member, through],
    )
    call_command("consent", "purge")


async def kept(room: Room, ticket: Ticket, after: int) -> dict[str, Any]:
    path = f"sessions/{ticket.session}/events/?after={after}"
    answer: dict[str, Any] = await room.api.call("GET", path, token=ticket.token)
    return answer


@pytest.mark.parametrize("through", [5, 10**6], ids=["some of it", "all of it"])
@pytest.mark.parametrize("way", [LiveClient, EventClient], ids=["socket", "events"])
async def test_a_reader_behind_what_is_kept_is_told_and_goes_on_from_now(
    room: Room, ticket: Ticket, superuser: psycopg.Connection, way: type[LiveClient], through: int
) -> None:
    before = await kept(room, ticket, 0)
    forget(superuser, ticket, through=through)
    reader = way(room.server.ws, ticket)
    reader.epoch, reader.last_seq = before["epoch"], 2
    await reader.open()
    try:
        await reader.ask("mm-hm")
        now = await kept(room, ticket, 0)
        assert reader.resyncs == 1
        assert reader.epoch == now["epoch"] != before["epoch"]
        numbers = [frame["seq"] for frame in reader.events]
        assert numbers == list(range(before["seq"] + 1, now["seq"] + 1))
    finally:
        await reader.close()


async def test_a_number_before_what_is_kept_is_answered_with_all_that_is(
    room: Room, ticket: Ticket, superuser: psycopg.Connection
) -> None:
    before = await kept(room, ticket, 0)
    assert (before["first"], before["resync"]) == (1, False)
    forget(superuser, ticket, through=5)
    for after in (0, 2, 4, before["seq"] + 7):
        answer = await kept(room, ticket, after)
        assert (answer["first"], answer["seq"], answer["resync"]) == (6, before["seq"], True)
        assert [e["seq"] for e in answer["events"]] == list(range(6, before["seq"] + 1))
        assert {e["epoch"] for e in answer["events"]} == {answer["epoch"]}
    for after in (5, 6, before["seq"]):
        answer = await kept(room, ticket, after)
        assert answer["resync"] is False
        assert [e["seq"] for e in answer["events"]] == list(range(after + 1, before["seq"] + 1))


async def test_of_a_history_that_is_all_gone_the_number_remains(
    room: Room, ticket: Ticket, superuser: psycopg.Connection
) -> None:
    before = await kept(room, ticket, 0)
    forget(superuser, ticket, through=10**6)
    answer = await kept(room, ticket, 3)
    assert (answer["first"], answer["seq"]) == (before["seq"] + 1, before["seq"])
    assert (answer["resync"], answer["events"]) == (True, [])
    assert (await kept(room, ticket, before["seq"]))["resync"] is False


async def test_whoever_reads_on_while_the_beginning_goes_misses_nothing(
    room: Room, ticket: Ticket, superuser: psycopg.Connection
) -> None:
    async with LiveClient(room.server.ws, ticket) as ada:
        key = (await ada.ask("what if the others find out")).client_msg_id
        forget(superuser, ticket, through=5)
        await ada.ask("mm-hm")
        numbers = [frame["seq"] for frame in ada.events]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert ada.resyncs == 0
        now = await kept(room, ticket, 0)
        assert ada.events[-1]["epoch"] == now["epoch"]
        # A stored outcome belongs to the history of now, whenever it was written.
        await ada.say("what if the others find out", client_msg_id=key)
        await ada.ask("I see")
        assert {frame["epoch"] for frame in ada.repeats} == {now["epoch"]}

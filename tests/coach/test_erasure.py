"""Erasure against what is on its way: nothing of a person is written once they are gone."""

import asyncio
import random
import uuid
from typing import Any

import pytest
from django.db.models import Q

from coach import tenancy
from coach.database import Database
from coach.live.client import LiveClient
from coach.live.log import EventLog, Outgoing, Pace
from coach.models import FACILITATORS, Alert, Event, Feedback, Nudge, Session, Utterance
from tests.people import EVERYTHING
from tests.proofs import repeats

RACES = repeats(60, full=600)
AT_ONCE = 6
# From before the words are there until after the facilitators were shown them, on any machine.
AFTER_S = 0.4
SETTLED_S = 2.0


def left_of(member: uuid.UUID) -> list[str]:
    """Whatever is still there of this member, by kind."""
    rows = {
        kind.__name__: kind.objects.filter(member=member)
        for kind in (Utterance, Nudge, Alert, Feedback)
    }
    told = Event.objects.filter(
        Q(stream__audience=member)
        | Q(frame__member=str(member))
        | Q(frame__speaker__member=str(member))
    )
    return [f"{kind} {row}" for kind, found in {**rows, "Event": told}.items() for row in found]


def roster_of(session: uuid.UUID) -> int:
    return Session.objects.get(id=session).roster_version


async def one_race(room, rng: random.Random) -> tuple[uuid.UUID, bool]:
    """Say something, and be erased a moment later; the member, and whether they saw its end."""
    ticket = await room.ticket("Ada", EVERYTHING)
    about = f"?session={room.session}"
    async with LiveClient(room.server.ws, ticket) as person:
        turn = await person.say("I keep putting off the report and do not know how to begin")
        await asyncio.sleep(AFTER_S * rng.random() ** 2)
        await room.api.call("POST", f"consent/erase/{about}", {"confirm": True}, token=ticket.token)
    return uuid.UUID(ticket.member), bool(turn.terminals)


@pytest.mark.timeout(600)
async def test_nothing_is_written_of_whoever_is_erased_while_they_talk(room):
    rng = random.Random(5)
    races = []
    for _ in range(RACES // AT_ONCE):
        races += await asyncio.gather(*(one_race(room, rng) for _ in range(AT_ONCE)))
    await asyncio.sleep(SETTLED_S)
    assert [left for member, _ in races for left in left_of(member)] == []
    assert {ended for _, ended in races} == {True, False}, "all were erased at the same point"


async def test_whatever_is_being_written_waits_for_the_erasure_and_is_not(room, ada, superuser):
    said = (await ada.ask("I keep putting off the report")).utterance
    session, member = uuid.UUID(room.session), uuid.UUID(ada.ticket.member)
    database = Database("default")
    await database.open()
    log = EventLog(database, lease_s=5)
    superuser.execute(
        "UPDATE coach_utterance SET outcome = NULL, finished_at = NULL WHERE id = %s", [said]
    )
    card = Outgoing(str(member), "nudge.done", {"member": str(member), "text": "a card"})
    told = [Outgoing(FACILITATORS, "hint", {"member": str(member)}), card]
    nudge = {
        "id": str(uuid.uuid4()), "member_id": str(member), "text": "a card", "citations": [],
        "passages": [], "source": "playbook", "reason": "", "state": "shown", "trace": {},
    }  # fmt: skip
    organisation = Session.objects.get(id=session).organisation_id
    with superuser.transaction(), tenancy.acting(tenancy.of([organisation], actor="tests")):
        superuser.execute("SELECT FROM coach_member WHERE id = %s FOR UPDATE", [member])
        superuser.execute("UPDATE coach_member SET removed_at = now() WHERE id = %s", [member])
        writing: list[asyncio.Task[Any]] = [
            asyncio.create_task(work)
            for work in (
                log.append(session, [*told, Outgoing(FACILITATORS, "pause", {})], timeout_s=5),
                log.give(session, nudge, told, timeout_s=5),
                log.finish(
                    session=session, utterance=uuid.UUID(said), outcome="nudge.done", reason="",
                    act="", outgoing=told, nudge=nudge, timeout_s=5,
                ),
                log.accept(
                    session=session, member=member, audience=str(member), utterance=uuid.uuid4(),
                    client_msg_id=uuid.uuid4(), digest=b"1" * 32, text="more words", raw_text=None,
                    characters=10, roster_version=roster_of(session), pace=Pace(100, 100),
                    timeout_s=5,
                ),
            )
        ]  # fmt: skip
        done, _ = await asyncio.wait(writing, timeout=0.3)
        assert done == set()
    appended, given, finished, accepted = await asyncio.gather(*writing)
    assert [(each.audience, each.frame["type"]) for each in appended] == [(FACILITATORS, "pause")]
    assert (given, finished, accepted) == ((), (), None)
    assert Utterance.objects.get(member=member).outcome is None
    assert not Nudge.objects.filter(member=member, text="a card").exists()
    assert not Event.objects.filter(stream__session=session, frame__text="a card").exists()
    await database.close()

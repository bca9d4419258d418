"""The open loop, the soak and the search for the saturation, on a real server for some seconds."""

import itertools
import time
from contextlib import AsyncExitStack

import pytest

from coach.bench import vitals
from coach.bench.crowd import Ring, words
from coach.bench.saturation import Crowd, Seating, kept_rate
from coach.bench.soak import Soak, report
from coach.live.client import LiveClient, Ticket, rest

RATE = 4.0


def test_no_utterance_is_the_same_twice():
    first = list(itertools.islice(words(), 1000))
    assert len(set(first)) == 1000


def test_those_who_are_here_speak_in_turns():
    ada, ben, cai = (LiveClient("ws://nowhere", Ticket(name, name, "")) for name in "abc")
    ring = Ring([ada, ben])
    assert ring.next() is ada
    ring.enter(cai)
    assert [ring.next() for _ in range(4)] == [ben, ada, cai, ben]
    for who in (ada, ben, cai, cai):
        ring.leave(who)
    assert ring.next() is None


async def test_a_rate_that_is_easy_is_kept_and_everything_is_counted(real_server, demo):
    async with rest(real_server.http, demo.token) as api, AsyncExitStack() as stack:
        step = await Crowd(Seating([real_server], [api], members=4), stack).talk(RATE, 3)
    assert step.said == 3 * RATE
    assert step.in_time + step.refused + step.failed <= step.said
    assert step.in_time > 0
    assert step.cores > 0
    assert kept_rate([step]) == (RATE if step.kept else 0.0)


@pytest.mark.timeout(240)
async def test_a_soak_talks_comes_and_goes_and_tells_what_it_saw(real_server, demo):
    async with rest(real_server.http, demo.token) as api:
        soaked = Soak(real_server, api, rate=RATE, minutes=0.6)
        began = time.monotonic()
        await soaked.run(lambda _: None)
    assert time.monotonic() - began > 36
    assert soaked.tally.done["utterances"] == pytest.approx(36 * RATE, abs=RATE)
    assert soaked.tally.done["sessions opened"] == soaked.tally.done["sessions ended"] >= 1
    assert soaked.tally.ends.total() > 0
    assert len(soaked.seen) >= 2
    assert min(look.tasks for look in soaked.seen) > 0
    assert min(look.connections for look in soaked.seen) > 0
    told = report(soaked, vitals.complaints(real_server.log), rate=RATE, minutes=0.6)
    shown = {row["what"]: row["value"] for row in told.tables[0].rows}
    unanswered = shown["utterances"] - soaked.tally.ends.total()
    assert shown["without an end at the client"] == unanswered
    assert soaked.tally.unanswered.total() >= unanswered
    assert shown["taken into the log"] == pytest.approx(shown["utterances"], abs=unanswered)
    assert shown["of these, without an end in the log"] == 0
    assert set(told.plots) == {"soak-memory.svg"}

"""The live line under two workers and a real Redis: cut, killed, restarted, and nothing lost.

`PROOFS=full` runs the counts of `docs/performance.md`; without it a minute's share of them.
"""

import asyncio
import random
import signal
import time
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from django.conf import settings

from coach.live import server
from coach.live.server import Server
from tests.engines import processes
from tests.line import Witness, compare, told_once
from tests.people import EVERYTHING
from tests.proofs import FULL, repeats

pytestmark = [pytest.mark.engines, pytest.mark.timeout(3600)]
CUTS, KILLED_SHARE, PEOPLE = repeats(40, full=1000), 0.2, 8
ROUNDS = repeats(1, full=5)
# Of what comes down one line before it is cut at the latest: some utterances when there is little
# time; and for the whole count no more often than workers can be killed and started meanwhile.
BYTES = repeats(12_000, full=30_000)


@pytest.fixture
def pair(demo):
    """Two workers that share Redis; gives them and a way to start one again."""
    port = server.free_port()
    environment = {**server.UNHURRIED, "REDIS_URL": f"redis://127.0.0.1:{port}/0"}

    def begin(number: int) -> Server:
        log = settings.DATA_DIR / f"line-{number}.log"
        return server.start(log=log, environment=environment)

    with processes.redis(port, settings.DATA_DIR / "line-redis.log"):
        workers = [begin(0), begin(1)]
        yield workers, begin
        for worker in workers:
            worker.stop()


@asynccontextmanager
async def people_in(room, workers, **how):
    people = [
        Witness(workers, await room.ticket(f"Person{n}", EVERYTHING), random.Random(n), **how)
        for n in range(PEOPLE)
    ]
    try:
        for person in people:
            await person.start()
        yield people
    finally:
        for person in people:
            await person.close()


async def test_a_thousand_cuts_lose_double_and_reorder_nothing(open_room, pair):
    workers, begin = pair
    room = await open_room(workers[0])
    async with people_in(room, workers) as people:
        killed = turn = 0

        def cuts() -> int:
            return killed + sum(int(person.cutter.cuts) for person in people)

        def goes_on() -> bool:
            return cuts() < CUTS or killed < KILLED_SHARE * CUTS

        talking = [asyncio.create_task(p.talk(goes_on, bytes_most=BYTES)) for p in people]
        for person in people:
            await person.client.abort()
        while goes_on():
            await asyncio.sleep(0.2)
            if killed < KILLED_SHARE * cuts():
                number, turn = turn % 2, turn + 1
                victim = workers[number]
                killed += sum(p.upstream == victim.port and p.client.connected for p in people)
                victim.kill()
                workers[number] = await asyncio.to_thread(begin, number)
                print(f"{cuts()} cuts, {killed} by kill -9", flush=True)
        await asyncio.gather(*talking)
        for person in people:
            await person.settle()
        found = await compare(workers[0], people)
        await told_once(room.session)
    print(f"{cuts()} cuts, {killed} of them by {turn} times kill -9: {found}")
    assert (found["lost"], found["doubled"], found["reordered"], found["unanswered"]) == (0,) * 4
    assert found["events"] > 2 * found["said"] > 0


async def test_a_rolling_restart_loses_nothing_and_hardly_anybody_waits(open_room, pair):
    workers, begin = pair
    room = await open_room(workers[0])
    async with people_in(room, workers, every_s=1.0) as people:
        over = False
        talking = [asyncio.create_task(p.talk(lambda: not over, bytes_most=None)) for p in people]
        slowest = 0.0
        for number in [0, 1] * ROUNDS:
            await asyncio.sleep(2)
            # As an orchestrator does it: the new one is ready before the old one is told to go.
            old, workers[number] = workers[number], await asyncio.to_thread(begin, number)
            began = time.monotonic()
            old.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(old.process.wait, 30)
            slowest = max(slowest, time.monotonic() - began)
        await asyncio.sleep(2)
        over = True
        await asyncio.gather(*talking)
        for person in people:
            await person.settle()
        found = await compare(workers[0], people)
        await told_once(room.session)
        ends = [t.terminals[0] for p in people for t in p.client.turns.values()]
    failed = Counter(frame["code"] for frame in ends if frame["type"] == "error")
    print(
        f"{2 * ROUNDS} restarts, slowest {slowest:.1f} s,"
        f" failed of {len(ends)}: {dict(failed)}, {found}"
    )
    assert (found["lost"], found["doubled"], found["reordered"], found["unanswered"]) == (0,) * 4
    assert failed["interrupted"] == 0
    if FULL:
        # On a machine that others keep busy some roads are late; that is no doing of a restart.
        assert failed.total() <= 0.001 * len(ends)
    assert slowest < 10

"""Two workers that share Redis and PostgreSQL, and Redis that goes and comes."""

import asyncio
import uuid

import pytest
from django.conf import settings

from coach.live import server
from coach.live.client import LiveClient
from tests.engines import processes
from tests.people import EVERYTHING

pytestmark = pytest.mark.engines
STUCK = "I keep putting off the report for the steering group"


@pytest.fixture
def redis_port() -> int:
    return server.free_port()


async def test_two_workers_are_one_room_also_without_redis(demo, open_room, redis_port):
    log = settings.DATA_DIR / "redis.log"
    environment = {"REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"}
    with processes.redis(redis_port, log) as redis:  # noqa: SIM117  Redis must be there first
        with (
            server.running(log=settings.DATA_DIR / "a.log", environment=environment) as one,
            server.running(log=settings.DATA_DIR / "b.log", environment=environment) as two,
        ):
            room = await open_room(one)
            ticket = await room.ticket("Ada", EVERYTHING)
            async with LiveClient(one.ws, ticket) as here, LiveClient(two.ws, ticket) as there:
                await here.ask(STUCK)
                done = await there.until("nudge.done", timeout_s=3)
                assert done["seq"] == here.events[-1]["seq"]

                processes.end(redis)
                await asyncio.sleep(0.5)
                turn = await here.ask(STUCK)
                assert turn.terminals[0]["type"] == "nudge.done"
                assert (turn.total_ms or 9e9) < 2500
                await there.until("nudge.done", timeout_s=4, seen=1)

                with processes.redis(redis_port, log):
                    await asyncio.sleep(1.0)
                    turn = await here.ask(STUCK)
                    await there.until("nudge.done", timeout_s=4, seen=2)
            assert [f["seq"] for f in here.events] == [f["seq"] for f in there.events]
            assert len({f["seq"] for f in here.events}) == len(here.events)


async def test_the_same_key_on_two_workers_is_walked_once(demo, open_room, redis_port):
    environment = {"REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"}
    with (
        processes.redis(redis_port, settings.DATA_DIR / "redis.log"),
        server.running(log=settings.DATA_DIR / "a.log", environment=environment) as one,
        server.running(log=settings.DATA_DIR / "b.log", environment=environment) as two,
    ):
        room = await open_room(one)
        ticket = await room.ticket("Ada", EVERYTHING)
        async with LiveClient(one.ws, ticket) as here, LiveClient(two.ws, ticket) as there:
            for _ in range(20):
                key = str(uuid.uuid4())
                turns = await asyncio.gather(
                    here.say(STUCK, client_msg_id=key), there.say(STUCK, client_msg_id=key)
                )
                frames = await asyncio.gather(*(asyncio.wait_for(t.done, 5) for t in turns))
                assert frames[0]["utterance"] == frames[1]["utterance"]
                assert frames[0]["seq"] == frames[1]["seq"]

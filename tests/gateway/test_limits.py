"""What one person may ask for, on two workers together."""

import asyncio
import time
import uuid
from collections import Counter

import pytest
import websockets
from django.conf import settings

from coach.live import server
from coach.live.client import LiveClient
from tests.people import EVERYTHING

# Two servers start before the first question.
pytestmark = pytest.mark.timeout(300)
MOST_SOCKETS = 3


@pytest.fixture(scope="module")
def workers(demo):
    limits = {
        "UTTERANCES_PER_S": "1", "UTTERANCE_BURST": "5", "SOCKETS_PER_USER": str(MOST_SOCKETS),
    }  # fmt: skip
    log = settings.DATA_DIR / "server-limits.log"
    with (
        server.running(log=log, environment=limits) as one,
        server.running(log=log, environment=limits) as two,
    ):
        yield one, two


async def test_five_at_once_then_one_a_second_on_both_workers_together(open_room, workers):
    room = await open_room(workers[0])
    ticket = await room.ticket("Ada", EVERYTHING)
    async with LiveClient(workers[0].ws, ticket) as one, LiveClient(workers[1].ws, ticket) as two:
        one.patient = two.patient = False
        began = time.monotonic()
        turns = [await (one if n % 2 else two).say(f"mm-hm {n}") for n in range(16)]
        await asyncio.wait({turn.done for turn in turns}, timeout=5)
        ends = Counter(turn.terminals[0].get("code", "accepted") for turn in turns)
        allowed = 5 + int(time.monotonic() - began)
        assert 5 <= ends["accepted"] <= allowed
        assert ends["rate_limited"] == 16 - ends["accepted"]
        await asyncio.sleep(1.1)
        assert "code" not in (await one.ask("mm-hm again")).terminals[0]


async def test_a_retry_of_what_was_said_is_not_counted(open_room, workers):
    room = await open_room(workers[0])
    async with LiveClient(workers[0].ws, await room.ticket("Ada", EVERYTHING)) as ada:
        ada.patient = False
        key = str(uuid.uuid4())
        for _ in range(10):
            turn = await ada.say("mm-hm", client_msg_id=key)
        await asyncio.wait_for(turn.done, 5)
        began, taken = time.monotonic(), 0
        while "code" not in (last := (await ada.ask(f"mm-hm {taken}")).terminals[0]):
            taken += 1
        assert last["code"] == "rate_limited"
        # Four are left of the burst, and one comes each second.
        assert 4 <= taken <= 5 + time.monotonic() - began


async def test_one_person_s_sockets_are_counted_over_both_workers(open_room, workers):
    room = await open_room(workers[0])
    ticket = await room.ticket("Ada", EVERYTHING)
    lines = [LiveClient(workers[n % 2].ws, ticket) for n in range(MOST_SOCKETS)]
    for line in lines:
        await line.open()
    for worker in workers:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await LiveClient(worker.ws, ticket).open()
        assert refused.value.response.status_code == 429
    await lines[0].close()
    for _ in range(100):
        again = LiveClient(workers[1].ws, ticket)
        try:
            await again.open()
        except websockets.InvalidStatus:
            await asyncio.sleep(0.02)
        else:
            break
    await again.close()
    for line in lines[1:]:
        await line.close()

"""Readers of the line: who stops reading, who floods, and drafts that warm the search."""

import asyncio
import json
import os
import random
import re
import socket
import statistics
import time
import urllib.request
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import websockets
from django.conf import settings

from coach.live import server
from coach.live.allowance import NONSENSE, PER_S
from coach.live.client import LiveClient
from coach.live.frames import READERS
from tests.people import EVERYTHING
from tests.proofs import repeats

STUCK = "I keep putting off the report for the steering group"
FRAMES = repeats(800, full=100_000)
FLOODERS = repeats(40, full=100)
# So many are sent before the first of them must have been read; a line may be ten times as slow.
UNREAD = 20
READ_WITHIN_S = 10 * UNREAD * NONSENSE / PER_S


def counted(base: str, name: str) -> float:
    with urllib.request.urlopen(f"{base}/metrics", timeout=10) as answer:
        found = re.findall(rf"^{re.escape(name)} ([\d.e+]+)$", answer.read().decode(), re.MULTILINE)
    return float(found[0]) if found else 0.0


def resident(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


async def stuck_reader(url: str, token: str) -> websockets.ClientConnection:
    """A socket with hardly a buffer, whose owner reads nothing."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect(("127.0.0.1", int(url.split(":")[2].split("/")[0])))
    return await websockets.connect(
        url, sock=plain, additional_headers={"Authorization": f"Bearer {token}"}, max_queue=1
    )


@pytest.fixture
def server_of_its_own(demo):
    """Nobody else makes this one grow."""
    with server.running(log=settings.DATA_DIR / "server-readers.log") as running:
        yield running


@pytest.mark.timeout(900)
async def test_who_stops_reading_costs_little_is_closed_and_can_resume(
    open_room, server_of_its_own
):
    room = await open_room(server_of_its_own)
    ticket = await room.ticket("Ada", EVERYTHING)
    async with LiveClient(server_of_its_own.ws, ticket) as ada:
        await stop_reading(room, server_of_its_own, ada)


async def stop_reading(room, real_server, ada) -> None:
    pid = real_server.process.pid
    url = f"{real_server.ws}/ws/sessions/{room.session}/"
    await ada.ask(STUCK)
    # As JSON each of them takes twelve bytes, and a frame holds 32 KiB.
    long = "🙂" * 2500
    for turns in (60, 120):
        # The second time is what the same talk costs when everybody reads.
        alone = resident(pid)
        for n in range(turns):
            await asyncio.wait_for((await ada.say(f"{n} {long}")).done, 20)
    alone = resident(pid) - alone
    stuck = await stuck_reader(url, ada.ticket.token)
    before, began = resident(pid), time.monotonic()
    turns = 0
    closed = 'sidecoach_lines_closed_total{code="4408"}'
    start = counted(real_server.http, closed)
    async with asyncio.timeout(500):
        while counted(real_server.http, closed) == start:
            await asyncio.wait_for((await ada.say(f"{turns} {long}")).done, 20)
            turns += 1
    grown = resident(pid) - before
    print(
        f"\n{turns} turns, {time.monotonic() - began:.1f} s, {grown / 2**20:.2f} MiB,"
        f" {alone / 2**20:.2f} MiB with every reader reading"
    )
    assert grown - max(0, alone) <= 2 * 2**20
    stuck.transport.abort()
    async with LiveClient(real_server.ws, ada.ticket) as again:
        again.epoch = ada.epoch
        await again.send({"type": "resume", "epoch": ada.epoch, "last_seq": 0})
        again.last_seq = 0
        await asyncio.sleep(0.2)
        head = ada.last_seq
        until = time.monotonic() + 20
        while again.last_seq < head and time.monotonic() < until:  # noqa: ASYNC110  no such event
            await asyncio.sleep(0.05)
        assert [f["seq"] for f in again.events] == list(range(1, head + 1))


def nonsense(rng: random.Random) -> str | bytes:
    """A frame as somebody would send it who wishes us ill."""
    kind: Any = rng.choice([*READERS, "teleport", None, 7, {}])
    fields = ["client_msg_id", "text", "epoch", "last_seq", "nudge", "verdict", "action", "mode",
              "phase", "verbosity", "snooze_minutes", "member", "passage"]  # fmt: skip
    values: list[Any] = [
              None, True, -1, 2**70, 1e308, "", "x", "\u202e", "\x00", "\ud800", [], {}, [[[[]]]],
              str(uuid.uuid4()), "a" * rng.randint(1, 5000), "auto", "kill", "send"]  # fmt: skip
    frame = {"type": kind} | {
        rng.choice(fields): rng.choice(values) for _ in range(rng.randint(0, 6))
    }
    text = json.dumps(frame, ensure_ascii=True)
    match rng.randint(0, 9):
        case 0:
            return text[: rng.randint(0, len(text))]
        case 1:
            return rng.randbytes(rng.randint(0, 200))
        case 2:
            return "[" * rng.randint(1, 3000)
        case 3:
            return text.replace(":", rng.choice(["", "::", ":NaN,", ":1e999,"]), 1)
        case _:
            return text


@pytest.mark.timeout(1800)
async def test_fuzzed_frames_end_no_consumer_and_leave_others_alone(room, real_server, ada):
    """Each of many people sends nonsense as fast as it is read; every line lives on."""
    calm = await times(ada)
    async with AsyncExitStack() as lines:
        people = [
            await lines.enter_async_context(
                LiveClient(real_server.ws, await room.ticket(f"Mallory {n}", EVERYTHING))
            )
            for n in range(FLOODERS)
        ]
        flooding = [
            asyncio.create_task(flood(client, random.Random(n), FRAMES // FLOODERS))
            for n, client in enumerate(people)
        ]
        noisy = await times(ada)
        await asyncio.wait(flooding)
        assert [client.closed_with for client in people if not client.connected] == []
        await asyncio.gather(*flooding)
    told("frames", FRAMES, calm, noisy)
    assert (await ada.ask(STUCK)).terminals[0]["type"] in ("nudge.done", "no_nudge")
    assert "Traceback" not in real_server.log.read_text(errors="replace")
    # Two cores of which others take their share: the full count is looked at by a person.
    assert noisy <= 1300


async def test_one_person_s_many_lines_are_read_no_faster_than_one(room, real_server, ada):
    calm = await times(ada)
    delayed = "sidecoach_frames_delayed_total"
    ticket = await room.ticket("Mallory", EVERYTHING)
    async with AsyncExitStack() as stack:
        lines = [
            await stack.enter_async_context(LiveClient(real_server.ws, ticket)) for _ in range(10)
        ]
        before, began = counted(real_server.http, delayed), time.monotonic()
        flooding = [
            asyncio.create_task(flood(client, random.Random(n), 2_000))
            for n, client in enumerate(lines)
        ]
        noisy = await times(ada)
        slowed = counted(real_server.http, delayed) - before
        for each in flooding:
            each.cancel()
        await asyncio.gather(*flooding, return_exceptions=True)
        # A line that has overdrawn its person's allowance is read every other second.
        assert 0 < slowed <= len(lines) * (1 + (time.monotonic() - began) / 0.4)
    told("lines", len(lines), calm, noisy)


async def test_who_has_much_to_say_at_once_is_heard_late_and_not_refused(room, real_server):
    """As after a break, when everything unanswered is said again."""
    ticket = await room.ticket("Ada", EVERYTHING)
    async with LiveClient(real_server.ws, ticket) as ada:
        ada.patient = False
        turns = [await ada.say(f"mm-hm {n}") for n in range(50)]
        async with asyncio.timeout(30):
            ends = await asyncio.gather(*(turn.done for turn in turns))
    assert {end.get("code") for end in ends} == {None}


def told(what: str, n: int, calm: float, noisy: float) -> None:
    print(f"\n{n} {what}; others' p95 {calm:.1f} ms before, {noisy:.1f} ms meanwhile")


async def flood(client: LiveClient, rng: random.Random, frames: int) -> None:
    """Gives back once the server has read them all; raises TimeoutError when a line has died.

    No more are under way than are read before the line's own pings and pongs would be missed.
    """
    for begun in range(0, frames, UNREAD):
        for _ in range(min(UNREAD, frames - begun)):
            await client.send_raw(nonsense(rng))
        async with asyncio.timeout(READ_WITHIN_S):
            # Nothing to say, which is refused, by its own id.
            await (await client.say("")).done
        client.passing.clear()
    async with asyncio.timeout(READ_WITHIN_S):
        await (await client.say("mm-hm")).done


async def times(client: LiveClient, n: int = 40) -> float:
    taken = []
    for _ in range(n):
        turn = await client.ask("mm-hm", timeout_s=20)
        taken.append(turn.total_ms or 9e9)
        # No faster than frames are taken from one line.
        await asyncio.sleep(0.1)
    return statistics.quantiles(taken, n=20)[-1]


async def drafted(client: LiveClient, base: str, text: str, done: str) -> bool:
    """Whether this draft ends up counted as `done` within two seconds."""
    name = f'sidecoach_draft_frames_total{{done="{done}"}}'
    before = counted(base, name)
    await client.send({"type": "draft", "text": text})
    for _ in range(20):
        await asyncio.sleep(0.1)
        if counted(base, name) > before:
            return True
    return False


async def test_a_draft_warms_the_search_of_who_allows_coaching_alone(real_server, ada, ben):
    assert await drafted(ada, real_server.http, STUCK, "warmed")
    assert await drafted(ben, real_server.http, STUCK, "no_consent")


async def test_of_many_drafts_only_the_latest_are_looked_at(real_server, ada):
    name = 'sidecoach_draft_frames_total{done="warmed"}'
    before = counted(real_server.http, name)
    for n in range(15):
        await ada.send({"type": "draft", "text": f"{STUCK} and {n} more"})
        await asyncio.sleep(0.01)
    await asyncio.sleep(1.5)
    assert 1 <= counted(real_server.http, name) - before <= 4


async def test_a_draft_is_stored_nowhere_and_logged_nowhere(room, real_server, ada, fay):
    word = "quokkacanary"
    await ada.send({"type": "draft", "text": f"my friend {word} told me about the report"})
    await asyncio.sleep(1)
    await ada.ask(STUCK)
    from coach.models import Event, Utterance

    assert not await Event.objects.filter(frame__icontains=word).aexists()
    assert not await Utterance.objects.filter(text__icontains=word).aexists()
    assert word not in json.dumps([fay.events, fay.passing, ada.events, ada.passing])
    assert word not in real_server.log.read_text(errors="replace")

"""Members who talk on and on while their line is cut, and remember everything they were sent."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import websockets

from coach.live.allowance import BURST
from coach.live.client import TERMINAL, LiveClient, RestError, Ticket, Turn, rest
from coach.live.server import Server

WORDS = (
    "I keep putting off the report for the steering group",
    "and I do not know where to start with it",
    "they expect a plan that I do not have",
    "what if the others find out that I am behind",
)
# How long somebody goes on trying to come back.
BACK_S = 120.0
BROKEN = (OSError, EOFError, TimeoutError, RestError, websockets.WebSocketException)


class Cutter:
    """A way to a server that breaks after so many bytes, in the middle of whatever they are.

    Each connection asks anew to which port it leads and how many bytes it has (None: all).
    """

    def __init__(self, upstream: Callable[[], int], budget: Callable[[], int | None]) -> None:
        self._upstream, self._budget = upstream, budget
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.cuts = 0

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        while self._open:
            self.cut()
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Break every connection now."""
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        budget = self._budget()
        self._open.add(writer)
        try:
            await self._join(reader, writer, budget)
        finally:
            self._open.discard(writer)

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        budget: int | None,
        *,
        begun: bytes = b"",
    ) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream())
        except OSError:
            writer.transport.abort()
            return
        up_writer.write(begun)
        out = asyncio.create_task(self._pass(reader, up_writer, None))
        back = asyncio.create_task(self._pass(up_reader, writer, budget))
        await asyncio.wait({out, back}, return_when=asyncio.FIRST_COMPLETED)
        for task in (out, back):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task
        for end in (writer, up_writer):
            end.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int | None
    ) -> None:
        passed = 0
        while data := await reader.read(2**14):
            if budget is not None and passed + len(data) >= budget:
                writer.write(data[: budget - passed])
                with contextlib.suppress(OSError):
                    await writer.drain()
                self.cuts += 1
                return
            passed += len(data)
            writer.write(data)
            await writer.drain()


@dataclass
class Witness:
    """One member behind a cutter; `servers` are those that may serve them, at random."""

    servers: list[Server]
    ticket: Ticket
    rng: random.Random
    every_s: float = 0.25
    retries: int = 0
    opened: int = 0
    client: LiveClient = field(init=False)
    cutter: Cutter = field(init=False)
    upstream: int = 0
    bytes_most: int | None = None
    refused: str = ""

    async def start(self) -> None:
        self.cutter = Cutter(lambda: self.upstream, self._budget)
        port = await self.cutter.open()
        self.client = LiveClient(f"ws://127.0.0.1:{port}", self.ticket)
        await self._come_back()

    async def talk(self, go_on: Callable[[], bool], *, bytes_most: int | None) -> None:
        """Say something every so often; come back and say again what was not acknowledged.

        While they talk each of their lines is cut after `bytes_most` bytes at the latest.
        """
        self.bytes_most = bytes_most
        while go_on():
            try:
                await self.client.say(self.rng.choice(WORDS))
                await asyncio.sleep(self.every_s * self.rng.uniform(0.5, 1.5))
                if not self.client.connected:
                    raise EOFError
            except BROKEN:
                await self.client.abort()
                await self._come_back()
        self.bytes_most = None

    async def settle(self, *, timeout_s: float = 300.0) -> None:
        """Whole again: a line that holds, every word acknowledged and answered."""
        async with asyncio.timeout(timeout_s):
            while waiting := self._unanswered():
                with contextlib.suppress(*BROKEN):
                    if not self.client.connected:
                        await self.client.abort()
                        await self._come_back()
                    # No more at a time than are read at once from one person.
                    for turn in waiting[: int(BURST)]:
                        await self._again(turn)
                    await asyncio.wait({t.done for t in waiting[: int(BURST)]}, timeout=4)
            newest = (await stored(self.rng.choice(self.servers), self.ticket))[-1]["seq"]
            while self.client.last_seq < newest:  # noqa: ASYNC110  a client has no such event
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        with contextlib.suppress(*BROKEN):
            await self.client.close()
        await self.cutter.close()

    def _budget(self) -> int | None:
        return None if self.bytes_most is None else self.rng.randint(1, self.bytes_most)

    def _unanswered(self) -> list[Turn]:
        return [turn for turn in self.client.turns.values() if not turn.done.done()]

    async def _again(self, turn: Turn) -> None:
        self.retries += 1
        await self.client.say(turn.text, client_msg_id=turn.client_msg_id)

    async def _come_back(self) -> None:
        until = time.monotonic() + BACK_S
        while time.monotonic() < until:
            self.upstream = self.rng.choice(self.servers).port
            try:
                async with asyncio.timeout(5):
                    await self.client.open()
                self.opened += 1
                for turn in self._unanswered():
                    if not turn.utterance:
                        await self._again(turn)
                return
            except BROKEN as refused:
                self.refused = repr(refused)
                await self.client.abort()
                await asyncio.sleep(0.05)
        raise AssertionError(f"no server took them back: {self.refused}")


async def stored(server: Server, ticket: Ticket) -> list[dict[str, Any]]:
    """This member's stream as the event table has it."""
    frames: list[dict[str, Any]] = []
    async with rest(server.http, ticket.token) as api:
        while True:
            after = frames[-1]["seq"] if frames else 0
            page = await api.call("GET", f"sessions/{ticket.session}/events/?after={after}")
            frames += page["events"]
            if not page["events"] or frames[-1]["seq"] >= page["seq"]:
                return frames


async def compare(server: Server, people: Sequence[Witness]) -> dict[str, int]:
    """Counts of what was lost, doubled or out of order between the table and what people saw."""
    found = {"events": 0, "said": 0, "lost": 0, "doubled": 0, "reordered": 0, "unanswered": 0}
    for person in people:
        client = person.client
        kept = await stored(server, person.ticket)
        numbers = [frame["seq"] for frame in client.events]
        found["events"] += len(numbers)
        found["said"] += len(client.turns)
        found["reordered"] += sum(a >= b for a, b in pairwise(numbers))
        found["doubled"] += len(numbers) - len(set(numbers))
        if not client.gaps:
            # Who misses a frame asks for what came after, and may be given some of it twice.
            found["doubled"] += sum(frame["type"] not in TERMINAL for frame in client.repeats)
        seen = {frame["seq"]: frame for frame in client.events}
        found["lost"] += sum(
            seen.get(frame["seq"]) != frame for frame in kept if frame["seq"] >= numbers[0]
        )
        # An acknowledgement is written with the utterance, by the same statement.
        acks = Counter(frame["client_msg_id"] for frame in kept if frame["type"] == "ack")
        ends = Counter(frame.get("utterance") for frame in kept if frame["type"] in TERMINAL)
        for key, turn in client.turns.items():
            found["lost"] += acks[key] == 0
            found["doubled"] += max(0, acks[key] - 1) + max(0, ends[turn.utterance] - 1)
            found["unanswered"] += ends[turn.utterance] == 0
    return found


async def told_once(session: str) -> None:
    """The facilitators know of every utterance, and of none twice; or AssertionError.

    What a worker left when it died is told when its lease is over.
    """
    from coach.models import FACILITATORS, Event, Utterance

    said = Utterance.objects.filter(session_id=session)
    async with asyncio.timeout(60):
        while await said.filter(told=False).aexists():  # noqa: ASYNC110  rows tell nobody
            await asyncio.sleep(0.2)
    frames = Event.objects.filter(
        stream__session_id=session, stream__audience=FACILITATORS, type="utterance"
    ).values_list("frame__utterance", flat=True)
    told = Counter([utterance async for utterance in frames])
    assert set(told) == {str(key) async for key in said.values_list("id", flat=True)}
    assert set(told.values()) <= {1}

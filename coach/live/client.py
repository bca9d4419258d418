"""A client of the live protocol: what `rehearse`, the benches and the tests speak with."""

import asyncio
import contextlib
import json
import random
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2
import websockets
from websockets.asyncio.client import ClientConnection, connect

from coach.live.patience import Patience

TERMINAL = frozenset({"nudge.done", "blocked", "escalated", "no_nudge", "cancelled", "error"})
NOT_NUMBERED = frozenset({"nudge.start", "nudge.delta", "pong", "overloaded", "timing"})


# Not refused for what was said, only not now: the same id is sent again.
PASSING = frozenset({"rate_limited", "unavailable", "busy"})
RETRY_MS = 1000
# What was asked for after a gap comes soon; else it is asked for once more.
GAP_S = 2.0
# How often a server that has too much to do is asked for a seat.
TRIES = 5


def is_passing(frame: Mapping[str, Any]) -> bool:
    """Whether the server only asks for patience."""
    refused = frame["type"] == "error" and "utterance" not in frame
    return frame["type"] == "overloaded" or (refused and frame["code"] in PASSING)


@dataclass(frozen=True)
class Ticket:
    """A way into a session: where its socket is, and the token that opens it."""

    session: str
    member: str
    token: str = field(repr=False)
    receipt: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Turn:
    """One utterance and what came back for it."""

    client_msg_id: str
    sent_at: float
    done: asyncio.Future[dict[str, Any]]
    text: str = field(default="", repr=False)
    utterance: str = ""
    first_ms: float | None = None
    total_ms: float | None = None
    terminals: list[dict[str, Any]] = field(default_factory=list)
    deltas: list[str] = field(default_factory=list)


class LiveClient:
    """A member's socket. It resumes after `last_seq`, takes each number once, and in order.

    `events` are the durable frames in their order; a gap asks the server to resume.
    """

    def __init__(self, url: str, ticket: Ticket) -> None:
        self.url = f"{url.rstrip('/')}/ws/sessions/{ticket.session}/"
        self.ticket = ticket
        self.epoch = ""
        self.last_seq = 0
        self.welcome: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.passing: list[dict[str, Any]] = []
        self.turns: dict[str, Turn] = {}
        self.taken_at: dict[int, float] = {}
        self.gaps = 0
        self.repeats: list[dict[str, Any]] = []
        self.resyncs = 0
        self.patient = True
        self._asked = (-1, 0.0)
        self._later: set[asyncio.Task[None]] = set()
        self._patience = Patience(self._say_again)
        self._by_utterance: dict[str, Turn] = {}
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether frames can still come; False as soon as the line was seen to be cut."""
        return self._reader is not None and not self._reader.done()

    @property
    def closed_with(self) -> int | None:
        """The code the line was closed with; None while it holds."""
        return self._socket.close_code if self._socket is not None else None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open(self, *, as_role: str = "") -> None:
        """Connect, and ask for what was missed since the last time."""
        self._asked = (-1, 0.0)
        query = f"?as={as_role}" if as_role else ""
        self._socket = await connect(
            self.url + query,
            additional_headers={"Authorization": f"Bearer {self.ticket.token}"},
            max_size=2**22,
            open_timeout=10,
        )
        self.welcome = json.loads(await self._socket.recv())
        if not self.epoch:
            self.epoch, self.last_seq = self.welcome["epoch"], self.welcome["seq"]
        await self.send({"type": "resume", "epoch": self.epoch, "last_seq": self.last_seq})
        self._reader = asyncio.create_task(self._read())
        self._patience.go_on()

    async def close(self) -> None:
        self._patience.stop()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._socket is not None:
            await self._socket.close()

    async def abort(self) -> None:
        """Cut the connection as a lost network does: without a goodbye."""
        self._patience.stop()
        if self._reader is not None:
            self._reader.cancel()
        if self._socket is not None:
            self._socket.transport.abort()

    async def send(self, frame: Mapping[str, Any]) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(frame))

    async def send_raw(self, data: str | bytes) -> None:
        assert self._socket is not None
        await self._socket.send(data)

    async def say(self, text: str, *, client_msg_id: str | None = None) -> Turn:
        """Send an utterance; await the turn's `done` for its terminal frame."""
        key = client_msg_id or str(uuid.uuid4())
        turn = self.turns.get(key) or Turn(
            key, time.perf_counter(), asyncio.get_running_loop().create_future(), text
        )
        self.turns[key] = turn
        await self.send({"type": "utterance", "client_msg_id": key, "text": text})
        return turn

    async def ask(self, text: str, *, timeout_s: float = 5.0) -> Turn:
        """Say something and wait for its terminal frame; raises TimeoutError without one."""
        turn = await self.say(text)
        async with asyncio.timeout(timeout_s):
            await asyncio.shield(turn.done)
        return turn

    async def until(self, kind: str, *, timeout_s: float = 5.0, seen: int = 0) -> dict[str, Any]:
        """The first frame of this type after the first `seen` of them."""
        limit = time.monotonic() + timeout_s
        while time.monotonic() < limit:
            found = [f for f in [*self.events, *self.passing] if f["type"] == kind]
            if len(found) > seen:
                return found[seen]
            await asyncio.sleep(0.005)
        raise TimeoutError(kind)

    async def _read(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in self._socket:
                await self._take(json.loads(message))

    async def _take(self, frame: dict[str, Any]) -> None:
        now = time.perf_counter()
        kind = frame["type"]
        if "seq" in frame and kind not in ("welcome", "resync"):
            if frame["seq"] <= self.last_seq:
                # A stored outcome sent again answers a retry, though its number is old.
                self.repeats.append(frame)
                self._settle(frame, now)
                return
            if frame["seq"] > self.last_seq + 1:
                self._ask_for_what_is_missing(now)
                return
            self.last_seq = frame["seq"]
            self.events.append(frame)
            self.taken_at[frame["seq"]] = now
        elif kind == "resync":
            self.resyncs += 1
            self.epoch, self.last_seq = frame["epoch"], frame["seq"]
        else:
            self.passing.append(frame)
            if self.patient and is_passing(frame) and self._say_later(frame):
                return
        self._settle(frame, now)

    def _ask_for_what_is_missing(self, now: float) -> None:
        """Once for each gap, and without waiting: whoever waits to send does not read."""
        after, at = self._asked
        if after == self.last_seq and now - at < GAP_S:
            return
        self._asked = (self.last_seq, now)
        self.gaps += 1
        frame = {"type": "resume", "epoch": self.epoch, "last_seq": self.last_seq}

        async def ask() -> None:
            with contextlib.suppress(websockets.ConnectionClosed):
                await self.send(frame)

        self._soon(ask())

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def _say_later(self, frame: dict[str, Any]) -> bool:
        """Not now: the same words with the same id, when the server says so."""
        key = frame.get("client_msg_id", "")
        if key not in self.turns:
            return False
        self._patience.refused(key, frame.get("retry_after_ms", RETRY_MS) / 1000)
        return True

    async def _say_again(self, key: str) -> bool:
        """Whether these words could be sent once more."""
        if not self.connected:
            return False
        try:
            await self.say(self.turns[key].text, client_msg_id=key)
        except websockets.ConnectionClosed:
            return False
        return True

    def _settle(self, frame: dict[str, Any], now: float) -> None:
        """Attach a frame to the turn it answers."""
        turn = self.turns.get(frame.get("client_msg_id", "")) or self._by_utterance.get(
            frame.get("utterance") or ""
        )
        if turn is None:
            return
        self._patience.settled(turn.client_msg_id)
        kind = frame["type"]
        if kind == "ack":
            turn.utterance = frame["utterance"]
            self._by_utterance[turn.utterance] = turn
        elif kind == "nudge.start":
            self._by_nudge_start(turn, now)
        if kind not in TERMINAL or frame in turn.terminals:
            return
        turn.terminals.append(frame)
        if turn.total_ms is None:
            turn.total_ms = (now - turn.sent_at) * 1000
            turn.first_ms = turn.first_ms or turn.total_ms
        if not turn.done.done():
            turn.done.set_result(frame)

    def _by_nudge_start(self, turn: Turn, now: float) -> None:
        if turn.first_ms is None:
            turn.first_ms = (now - turn.sent_at) * 1000


class EventClient(LiveClient):
    """The same member without a socket: events come over HTTP, words go by POST."""

    def __init__(self, url: str, ticket: Ticket) -> None:
        super().__init__(url, ticket)
        self._base = _http(url)
        self._stack = contextlib.AsyncExitStack()
        self.http: httpx2.AsyncClient | None = None
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def open(self, *, as_role: str = "") -> None:
        """Connect, and go on where the last stream ended. Raises RestError."""
        headers = {"Authorization": f"Bearer {self.ticket.token}"}
        asked = {"Accept": "text/event-stream"}
        if self.epoch:
            asked["Last-Event-ID"] = f"{self.epoch}.{self.last_seq}"
        self.http = await self._stack.enter_async_context(
            httpx2.AsyncClient(base_url=self._base, headers=headers, timeout=30.0)
        )
        self.closed = asyncio.get_running_loop().create_future()
        path = f"/api/v1/sessions/{self.ticket.session}/stream/"
        answer = await self._stack.enter_async_context(
            self.http.stream("GET", path, headers=asked, params={"as": as_role} if as_role else {})
        )
        if answer.status_code != 200:
            raise RestError(answer.status_code, (await answer.aread()).decode())
        events = _events(answer)
        self.welcome = json.loads((await anext(events))[1])
        if not self.epoch:
            self.epoch, self.last_seq = self.welcome["epoch"], self.welcome["seq"]
        self._reader = asyncio.create_task(self._follow(events))

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        await self._stack.aclose()

    async def abort(self) -> None:
        await self.close()

    async def send(self, frame: Mapping[str, Any]) -> None:
        """Post what a socket would have taken as a frame; what is refused raises RestError."""
        assert self.http is not None
        kind = frame["type"]
        if kind == "resume":
            return
        session = f"/api/v1/sessions/{self.ticket.session}"
        path = {
            "utterance": f"{session}/utterances/",
            "prefer": f"{session}/wishes/",
            "control": f"{session}/control/",
            "feedback": f"/api/v1/nudges/{frame.get('nudge')}/feedback/",
        }[kind]
        answer = await self.http.post(path, json={k: v for k, v in frame.items() if k != "type"})
        if answer.status_code >= 400:
            raise RestError(answer.status_code, answer.json())
        if kind == "utterance":
            await self._said(answer.json())

    async def _said(self, said: Mapping[str, Any]) -> None:
        """What the answer to a POST says of the turn; its events may have come before it."""
        if (turn := self.turns.get(said["client_msg_id"])) is not None:
            turn.utterance = said["utterance"]
            self._by_utterance[turn.utterance] = turn
        if said["outcome"] is not None:
            self._settle(said["outcome"], time.perf_counter())

    async def _follow(self, events: AsyncIterator[tuple[str, str]]) -> None:
        with contextlib.suppress(httpx2.HTTPError):
            async for kind, data in events:
                if kind == "closed":
                    self.closed.set_result(json.loads(data)["code"])
                    return
                await self._take(json.loads(data))
        if not self.closed.done():
            self.closed.set_result(1006)


async def _events(answer: httpx2.Response) -> AsyncIterator[tuple[str, str]]:
    """Type and data of each event; comments are left out."""
    kind, data = "message", ""
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            data = value
        elif not line and data:
            yield kind, data
            kind, data = "message", ""


class RestError(Exception):
    """The API said no; `status` and the problem document say why."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body

    @property
    def overloaded(self) -> bool:
        """Refused before anything of it was done."""
        return self.status == 503 and "Overloaded" in str(self.body)


@dataclass
class Rest:
    """The REST interface, as far as clients of sessions need it."""

    http: httpx2.AsyncClient
    token: str = field(default="", repr=False)

    async def call(self, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
        bearer = token or self.token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        # Joining sets a browser's cookie; this client is known by its tokens alone.
        self.http.cookies.clear()
        answer = await self.http.request(method, f"/api/v1/{path}", json=body, headers=headers)
        is_json = "json" in answer.headers.get("content-type", "")
        content = answer.json() if is_json else answer.text
        if answer.status_code >= 400:
            raise RestError(answer.status_code, content)
        return content

    async def join(
        self, code: str, name: str, consent: Mapping[str, list[str]] | None = None, **about: str
    ) -> Ticket:
        chosen = await self.every_choice(code) if consent is None else consent
        body = {
            "code": code,
            "display_name": name,
            "consent": [{"purpose": p, "fields": f} for p, f in chosen.items()],
            **about,
        }
        joined = await self._patiently("POST", "sessions/join", body)
        return Ticket(joined["session"], joined["member"], joined["token"], joined["receipt"])

    async def _patiently(self, method: str, path: str, body: Any) -> Any:
        """A room full of people asks at once: whoever was not even listened to asks again."""
        for tried in range(1, TRIES):
            try:
                return await self.call(method, path, body)
            except RestError as exc:
                if not exc.overloaded:
                    raise
            await asyncio.sleep(random.uniform(0.5, 1.5) * 2 ** (tried - 1))
        return await self.call(method, path, body)

    async def every_choice(self, code: str) -> dict[str, list[str]]:
        notice = await self.call("GET", f"consent/notice/?code={code}")
        return {p["key"]: [f["key"] for f in p["fields"]] for p in notice["purposes"]}


@asynccontextmanager
async def rest(base: str, token: str = "") -> AsyncIterator[Rest]:
    """A REST client of the server at `base`, http or ws."""
    async with httpx2.AsyncClient(base_url=_http(base), timeout=15.0) as http:
        yield Rest(http, token)


def _http(base: str) -> str:
    return base.replace("ws://", "http://").replace("wss://", "https://").rstrip("/")

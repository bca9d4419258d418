"""The socket: parse a frame, hand it over, stay free for the next; replay and deliver in order."""

import asyncio
import contextlib
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from coach import tenancy
from coach.database import DatabaseError
from coach.errors import Refused
from coach.live import doorbell
from coach.live.frames import (
    Cancel,
    Control,
    Drafting,
    Frame,
    FrameError,
    Judge,
    Ping,
    Resume,
    Say,
    parse,
)
from coach.live.hub import Hub
from coach.live.log import REPLAY_LIMIT
from coach.models import Member
from coach.ops import metrics
from coach.rooms import control, feedback
from coach.rooms.access import (
    Caller,
    caller_by_cookie,
    caller_by_token,
    organisations_of,
)
from coach.rooms.joining import membership
from consent import choices
from consent.models import Record
from safety.redaction import restore

log = structlog.get_logger(__name__)

FIRST_FRAME_S = 0.5
READ_S = 1.0
CLOSE_RIGHTS_ENDED = 4403
CLOSE_SLOW = 4408
CLOSE_RESTARTING = 1012
QUEUE = 256
BURST, PER_S = 20, 10.0


class SessionConsumer(AsyncWebsocketConsumer):
    """One socket of one member. Durable frames leave in the order of their numbers, none twice.

    Numbers come from the log alone: the doorbell's copy is used when it is the next one due, and
    otherwise only says that it is time to read.
    """

    async def connect(self) -> None:
        self.hub: Hub = self.scope["state"]["hub"]
        self.joined = False
        member = await self._identify()
        if member is None or self.hub.draining:
            await self._refuse(404 if member is None else 503)
            return
        # This socket acts for one organisation, whatever else its log-in may open.
        tenancy.enter(tenancy.of([member.organisation_id], actor=f"member:{member.id}"))
        self.organisation: UUID = member.organisation_id
        self.session: UUID = member.session_id
        self.member: UUID = member.id
        self.role = member.role
        self.audience = member.audience
        self.display_name = member.display_name
        who = f"user {self._user_id}" if self._user_id is not None else f"member {member.id}"
        self.line: UUID | None = await self.hub.lines.take(who, self.session, timeout_s=READ_S)
        if self.line is None:
            await self._refuse(429)
            return
        self.head = 0
        self._welcomed = 0
        self._cursor: int | None = None
        self._outbox: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(QUEUE)
        self._news = asyncio.Event()
        self._began = asyncio.Event()
        self._allowance, self._refilled = float(BURST), asyncio.get_running_loop().time()
        self.group = doorbell.group_of(self.session, self.audience)
        await self.join_group()
        await self.accept()
        self.joined = True
        self.hub.connect(self)
        metrics.SOCKETS.labels(self.role).inc()
        try:
            await self._welcome(member)
        except DatabaseError:
            await self.close(CLOSE_RESTARTING)
            return
        self._pumping = asyncio.create_task(self._pump())
        if self.role == Member.Role.PARTICIPANT:
            await self._presence()

    async def disconnect(self, code: int) -> None:
        if not self.joined:
            return
        metrics.SOCKETS.labels(self.role).dec()
        self.hub.disconnect(self)
        await self.hub.lines.give_back(self.line, timeout_s=READ_S)
        self._pumping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pumping
        await self.channel_layer.group_discard(self.group, self.channel_name)
        if self.role == Member.Role.PARTICIPANT:
            await self._presence()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As Channels has it, but an event nobody here knows is counted, not fatal.

        Nor do we close database connections around each event: this consumer opens none.
        """
        handler = getattr(self, message["type"].replace(".", "_"), None)
        if handler is None or message["type"].startswith("_"):
            metrics.UNKNOWN_EVENTS.inc()
            return
        await handler(message)

    # Frames from the person.

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self._began.set()
        try:
            frame = parse(text_data, bytes_data)
            if not self._within_rate(frame):
                metrics.FRAMES_REFUSED.labels("rate").inc()
                key = frame.client_msg_id if isinstance(frame, Say) else None
                raise FrameError("rate_limited", "Too many frames; slow down.", key)
            await self._handle(frame)
        except FrameError as exc:
            metrics.FRAMES_REFUSED.labels(exc.code).inc()
            await self._send_error(exc.code, exc.detail, exc.client_msg_id)
        except Refused as exc:
            key = frame.client_msg_id if isinstance(frame, Say) else None
            await self._send_error(exc.code, exc.detail, key)
        except DatabaseError:
            key = frame.client_msg_id if isinstance(frame, Say) else None
            await self._send_error("unavailable", "The store does not answer; try again.", key)

    async def _handle(self, frame: Frame) -> None:
        match frame:
            case Say():
                await self.hub.say(
                    frame, session=self.session, member=self.member, audience=self.audience
                )
            case Resume(epoch=epoch, last_seq=last_seq):
                await self._resume(epoch, last_seq)
            case Drafting():
                self.hub.typing(self.member)
            case Cancel(client_msg_id=key):
                await self.hub.cancel_by_key(self.session, self.member, key)
            case Judge():
                await feedback.record(self.hub, self.member, frame)
            case Control():
                await control.apply(self.hub, self.session, self.member, self.role, frame)
            case Ping():
                await self._put({"type": "pong"})

    async def _resume(self, epoch: UUID, last_seq: int) -> None:
        if epoch != self.epoch or last_seq > self.head:
            await self._put({"type": "resync", "epoch": str(self.epoch), "seq": self.head})
            self._cursor = self.head if self._cursor is None else self._cursor
        else:
            self._cursor = last_seq
        self._news.set()

    # Frames to the person.

    async def log_frame(self, message: dict[str, Any]) -> None:
        seq = message["seq"]
        self.head = max(self.head, seq)
        if self._cursor is not None and seq == self._cursor + 1:
            self._cursor = seq
            await self._put(message["frame"])
        else:
            self._news.set()

    async def passing_frame(self, message: dict[str, Any]) -> None:
        await self._put(message["frame"])

    async def room_changed(self, message: dict[str, Any]) -> None:
        self.hub.forget_room(self.session)

    async def stop_roads(self, message: dict[str, Any]) -> None:
        """Rights or wishes changed somewhere: whatever runs for this member here stops."""
        self.hub.forget_room(self.session)
        self.hub.cancel(UUID(message["member"]), message["reason"])

    def head_is(self, seq: int) -> None:
        if seq > self.head or (self._cursor is not None and self._cursor < seq):
            self.head = max(self.head, seq)
            self._news.set()

    async def join_group(self) -> None:
        await self.channel_layer.group_add(self.group, self.channel_name)

    async def rights_ended(self) -> None:
        self.hub.cancel(self.member, "rights_ended")
        self.hub.forget_speaker(self.member)
        await self.close(CLOSE_RIGHTS_ENDED)

    async def server_restarting(self) -> None:
        await self.close(CLOSE_RESTARTING)

    @property
    def rights(self) -> tuple[UUID, int | None, str | None, str]:
        """What the watch checks: the seat, the log-in, the browser's session, the password."""
        return self.member, self._user_id, self._session_key, self._stamp

    async def _pump(self) -> None:
        """Send what waits, and read from the log what the doorbell did not bring."""
        writer = asyncio.create_task(self._write())
        try:
            # A client that means to resume says so first; until then nothing may overtake it.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_FRAME_S):
                    await self._began.wait()
                    await asyncio.sleep(0)
            if self._cursor is None:
                self._cursor = self._welcomed
                self._news.set()
            while True:
                await self._news.wait()
                self._news.clear()
                await self._catch_up()
        finally:
            writer.cancel()

    async def _catch_up(self) -> None:
        while self._cursor is not None:
            after = self._cursor
            try:
                history = await self.hub.engines.log.replay(
                    self.session, self.audience, after=after, timeout_s=READ_S
                )
            except DatabaseError:
                return
            if history is None:
                return
            for frame in history.events:
                # The doorbell may have moved the cursor while we waited for the log.
                if frame["seq"] == self._cursor + 1:
                    self._cursor = frame["seq"]
                    await self._put(dict(frame))
            if len(history.events) < REPLAY_LIMIT:
                return

    async def _write(self) -> None:
        while True:
            frame = await self._outbox.get()
            if frame is None:
                return
            await self.send(text_data=json.dumps(self._for_these_eyes(frame)))

    async def _put(self, frame: dict[str, Any]) -> None:
        try:
            self._outbox.put_nowait(frame)
        except asyncio.QueueFull:
            # They can resume from the log; the room must not wait for one reader.
            await self.close(CLOSE_SLOW)

    def _for_these_eyes(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Placeholders become words again, only here, only for those who said or know them."""
        if "text" not in frame or not isinstance(frame["text"], str) or "[" not in frame["text"]:
            return frame
        if self.role != Member.Role.PARTICIPANT:
            return frame
        known = self.hub.spoken_by(self.member, self.hub.known_room(self.session))
        return {**frame, "text": restore(frame["text"], known)}

    async def _send_error(self, code: str, detail: str, key: UUID | None = None) -> None:
        frame = {"type": "error", "code": code, "detail": detail}
        if key is not None:
            frame["client_msg_id"] = str(key)
        await self._put(frame)

    # Coming in.

    async def _identify(self) -> Member | None:
        session = self.scope["url_route"]["kwargs"]["session"]
        query = parse_qs(self.scope.get("query_string", b"").decode("ascii", "replace"))
        prefer = query.get("as", [""])[0]
        headers = dict(self.scope["headers"])
        bearer = headers.get(b"authorization", b"").decode("latin-1")
        self._user_id: int | None = None
        self._session_key: str | None = None
        self._stamp = ""
        browser: Any = self.scope.get("session")
        user = self.scope.get("user")

        def find() -> Member | None:
            caller: Caller | None
            if bearer.lower().startswith("bearer "):
                caller = caller_by_token(bearer[7:].strip())
            else:
                caller = caller_by_cookie(user, browser if browser is not None else {})
                self._session_key = getattr(browser, "session_key", None)
                if caller is not None:
                    places = organisations_of(caller)
                    tenancy.enter(tenancy.of(places, actor=caller.actor))
            if caller is None:
                return None
            self._user_id = caller.pk
            if caller.user is not None:
                # Of the stored hash, and only to tell whether it is still the same one.
                hashed = caller.user.password.encode()
                self._stamp = hashlib.md5(hashed, usedforsecurity=False).hexdigest()
            return membership(caller, session, prefer=prefer)

        return await sync_to_async(find, thread_sensitive=False)()

    async def _refuse(self, status: int) -> None:
        """Turn the handshake down with a real status where the server can, else with 403."""
        if "websocket.http.response" in (self.scope.get("extensions") or {}):
            await self.send_denial(status)
        else:
            await self.close()

    async def send_denial(self, status: int) -> None:
        send: Any = self.base_send
        await send({"type": "websocket.http.response.start", "status": status, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})

    async def _welcome(self, member: Member) -> None:
        room = await self.hub.room(self.session, fresh=True)
        history = await self.hub.engines.log.replay(
            self.session, self.audience, after=2**62, timeout_s=READ_S
        )
        assert room is not None
        assert history is not None
        participates = member.role == Member.Role.PARTICIPANT
        consent, asks_again = await self._consent() if participates else ({}, False)
        self.epoch = history.epoch
        self.head = self._welcomed = history.seq
        welcome = {
            "type": "welcome",
            "session": str(self.session),
            "role": self.role,
            "member": str(self.member),
            "mode": room.mode,
            "status": room.status,
            "killed": room.killed,
            "paused": bool((seat := room.seat(self.member)) and seat.paused),
            "epoch": str(history.epoch),
            "seq": history.seq,
            "consent": consent,
            "asks_again": asks_again,
        }
        await self.send(text_data=json.dumps(welcome))

    async def _consent(self) -> tuple[dict[str, list[str]], bool]:
        """What this member allows, and whether a newer notice asks them again."""

        def read() -> tuple[dict[str, list[str]], bool]:
            live = Record.objects.live().filter(subject=self.member).by_purpose()
            return live, choices.asked_again(self.member)

        return await sync_to_async(read, thread_sensitive=False)()

    async def _presence(self) -> None:
        with contextlib.suppress(DatabaseError):
            await control.tell_presence(self.hub, self.session, self.member)

    def _within_rate(self, frame: Frame) -> bool:
        """A bucket of 20 frames that refills at 10 a second; pings are free."""
        if isinstance(frame, Ping | Resume):
            return True
        now = asyncio.get_running_loop().time()
        self._allowance = min(BURST, self._allowance + (now - self._refilled) * PER_S)
        self._refilled = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

"""The socket: parse a frame, hand it over, stay free for the next; send what is delivered."""

import asyncio
import contextlib
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer

from coach import tenancy
from coach.database import DatabaseError, beside
from coach.errors import Overloaded, Refused
from coach.live.allowance import NONSENSE
from coach.live.delivery import CLOSE_RESTARTING, CLOSE_SLOW, READ_S, UNREAD_S, Delivery, as_json
from coach.live.frames import (
    Cancel,
    Control,
    Drafting,
    Frame,
    FrameError,
    Judge,
    Ping,
    Prefer,
    Resume,
    Say,
    parse,
)
from coach.live.hub import Hub
from coach.live.log import Place
from coach.models import Member
from coach.ops import metrics
from coach.rooms import control, feedback, wishes
from coach.rooms.access import (
    Caller,
    Rights,
    caller_by_cookie,
    caller_by_token,
    organisations_of,
    rights_of,
)
from coach.rooms.joining import membership

log = structlog.get_logger(__name__)

# A goodbye to somebody who does not read is not waited for.
GOODBYE_S = 0.2


class SessionConsumer(AsyncWebsocketConsumer):
    """One socket of one member, which frames come in by and `Delivery`'s go out by."""

    delivery: Delivery | None = None
    line: UUID | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._serving, self._given_up = serving, False
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            if not self._given_up:
                raise
            serving.uncancel()
        finally:
            await self._leave()

    async def connect(self) -> None:
        self.hub: Hub = self.scope["state"]["hub"]
        if self.hub.draining:
            await self._refuse(503)
            return
        async with self.hub.admission.arriving() as may_come:
            if not may_come:
                await self._refuse(503)
                return
            await self._come_in()

    async def _come_in(self) -> None:
        try:
            found = await self._identify()
        except DatabaseError:
            await self._refuse(503)
            return
        if found is None:
            await self._refuse(404)
            return
        member, rights = found
        # This socket acts for one organisation, whatever else its log-in may open.
        tenancy.enter(tenancy.of([member.organisation_id], actor=f"member:{member.id}"))
        self.session, self.member, self.role = member.session_id, member.id, member.role
        self.audience = member.audience
        self.line = await self.hub.lines.take(rights.who, self.session, timeout_s=READ_S)
        if self.line is None:
            await self._refuse(429)
            return
        self.who = rights.who
        delivery = Delivery(self.hub, member, rights, self.channel_layer, self.channel_name)
        await self.accept()
        try:
            await delivery.open()
        except DatabaseError:
            await self.close(CLOSE_RESTARTING)
            return
        self.delivery = delivery
        self._writing = asyncio.create_task(self._write(delivery))
        self._ending = asyncio.create_task(self._end(delivery))
        if self.role == Member.Role.PARTICIPANT:
            await self._presence()

    async def _leave(self) -> None:
        """Give back what this socket held, however it ended."""
        if (delivery := self.delivery) is not None:
            self.delivery = None
            self._writing.cancel()
            self._ending.cancel()
            await delivery.close()
            if self.role == Member.Role.PARTICIPANT:
                await self._presence()
        if self.line is not None:
            await self.hub.lines.give_back(self.line, timeout_s=READ_S)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As Channels has it, but an event nobody here knows is counted, not fatal.

        Nor do we close database connections around each event: this consumer opens none.
        """
        kind = message["type"]
        if kind.startswith("websocket."):
            await getattr(self, kind.replace(".", "_"))(message)
        elif self.delivery is not None and not self.delivery.take(message):
            metrics.UNKNOWN_EVENTS.inc()

    # Frames from the person.

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        delivery = self.delivery
        if delivery is None:
            return
        delivery.spoke()
        key: UUID | None = None
        try:
            try:
                frame = parse(text_data, bytes_data)
            except FrameError:
                await self._slowed_down(NONSENSE)
                raise
            key = frame.client_msg_id if isinstance(frame, Say) else None
            await self._slowed_down()
            await self._handle(frame, delivery)
        except FrameError as exc:
            metrics.FRAMES_REFUSED.labels(exc.code).inc()
            self._send_error(exc.code, exc.detail, exc.client_msg_id)
        except Overloaded as exc:
            delivery.put(exc.frame(key))
        except Refused as exc:
            self._send_error(exc.code, exc.detail, key)
        except DatabaseError:
            self._send_error("unavailable", "The store does not answer; try again.", key)

    async def _handle(self, frame: Frame, delivery: Delivery) -> None:
        match frame:
            case Say():
                await self.hub.say(
                    frame, session=self.session, member=self.member, audience=self.audience
                )
            case Resume(epoch=epoch, last_seq=last_seq):
                delivery.resume(Place(epoch, last_seq))
            case Drafting(text=text):
                self.hub.draft(text, session=self.session, member=self.member)
            case Cancel(client_msg_id=key):
                await self.hub.cancel_by_key(self.session, self.member, key)
            case Judge():
                await feedback.record(self.hub, self.session, self.member, frame)
            case Prefer():
                await wishes.prefer(self.hub, self.session, self.member, frame)
            case Control():
                await control.apply(self.hub, self.session, self.member, self.role, frame)
            case Ping():
                delivery.put({"type": "pong"})

    # Frames to the person.

    async def _write(self, delivery: Delivery) -> None:
        while True:
            frame = await delivery.next()
            try:
                async with asyncio.timeout(UNREAD_S):
                    await self.send(text_data=as_json(frame))
            except TimeoutError:
                delivery.end(CLOSE_SLOW)
                return
            except OSError:
                # They are gone; the server says so next.
                return

    async def _end(self, delivery: Delivery) -> None:
        """Close when the delivery says so; who reads no goodbye either is left without one."""
        code = await delivery.ended
        metrics.CLOSED.labels(str(code)).inc()
        self._writing.cancel()
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self.close(code)
        except TimeoutError:
            self._given_up = True
            self._serving.cancel()

    def _send_error(self, code: str, detail: str, key: UUID | None = None) -> None:
        frame = {"type": "error", "code": code, "detail": detail}
        if key is not None:
            frame["client_msg_id"] = str(key)
        if self.delivery is not None:
            self.delivery.put(frame)

    # Coming in.

    async def _identify(self) -> tuple[Member, Rights] | None:
        session = self.scope["url_route"]["kwargs"]["session"]
        query = parse_qs(self.scope.get("query_string", b"").decode("ascii", "replace"))
        prefer = query.get("as", [""])[0]
        headers = dict(self.scope["headers"])
        bearer = headers.get(b"authorization", b"").decode("latin-1")
        browser: Any = self.scope.get("session")
        user = self.scope.get("user")

        def find() -> tuple[Member, Rights] | None:
            caller: Caller | None
            key: str | None = None
            if bearer.lower().startswith("bearer "):
                caller = caller_by_token(bearer[7:].strip())
            else:
                caller = caller_by_cookie(user, browser if browser is not None else {})
                key = getattr(browser, "session_key", None)
                if caller is not None:
                    places = organisations_of(caller)
                    tenancy.enter(tenancy.of(places, actor=caller.actor))
            member = membership(caller, session, prefer=prefer) if caller is not None else None
            if caller is None or member is None:
                return None
            return member, rights_of(caller, member, key)

        return await beside(find)

    async def _refuse(self, status: int) -> None:
        """Turn the handshake down with a real status where the server can, else with 403."""
        if "websocket.http.response" in (self.scope.get("extensions") or {}):
            await self.send_denial(status)
        else:
            await self.close()

    async def send_denial(self, status: int) -> None:
        send: Any = self.base_send
        headers = [(b"retry-after", b"2")] if status == 503 else []
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b""})

    async def _presence(self) -> None:
        with contextlib.suppress(DatabaseError):
            await control.tell_presence(self.hub, self.session, self.member)

    async def _slowed_down(self, frames: float = 1.0) -> None:
        """Read nothing until what was sent is made up for, so that a flood costs its sender.

        Late, but not refused: who has much to say again after a break would never get through.
        """
        wait_s = self.hub.allowances.spend(self.who, frames)
        if wait_s > 0:
            metrics.FRAMES_DELAYED.inc()
            await asyncio.sleep(wait_s)

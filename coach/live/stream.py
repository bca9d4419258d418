"""Server-sent events: the frames of a socket over plain HTTP, for whom proxies break sockets.

Each frame is one event; a durable one has the id `epoch.seq`, so that a browser which comes back
says by itself (`Last-Event-ID`) where it was. Source: HTML Living Standard, 9.2.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from channels.layers import get_channel_layer

from coach import tenancy
from coach.database import DatabaseError
from coach.live.delivery import CLOSE_RESTARTING, CLOSE_SLOW, READ_S, UNREAD_S, Delivery, as_json
from coach.live.hub import Hub
from coach.live.log import Place
from coach.models import Member
from coach.ops import metrics
from coach.rooms import control
from coach.rooms.access import Rights

RETRY_MS = 2000
BEAT_S = 15.0
# A frame and not a comment, which a browser would keep from its page.
BEAT = b'data: {"type": "pong"}\n\n'
LOOK_EVERY_S = 0.5
# As a socket's handshake would have been refused: too many lines, or nobody can tell.
CLOSE_TOO_MANY = 4429


class EventStream:
    """One open stream of one member: the body of a response, until either side ends it."""

    def __init__(self, hub: Hub, member: Member, rights: Rights, place: Place | None) -> None:
        self._hub, self._member, self._rights, self._place = hub, member, rights, place
        # When the event was handed over that is still not taken.
        self._handed_at: float | None = None

    async def body(self) -> AsyncIterator[bytes]:
        """Events and heartbeats, as bytes; the last event is `closed`, with the code why."""
        member = self._member
        tenancy.enter(tenancy.of([member.organisation_id], actor=f"member:{member.id}"))
        line = await self._hub.lines.take(self._rights.who, member.session_id, timeout_s=READ_S)
        if line is None:
            yield _closed(CLOSE_TOO_MANY, retry_ms=5 * RETRY_MS)
            return
        try:
            async for event in self._events():
                yield event
        finally:
            await self._hub.lines.give_back(line, timeout_s=READ_S)

    async def _events(self) -> AsyncIterator[bytes]:
        layer: Any = get_channel_layer()
        channel = await layer.new_channel()
        delivery = Delivery(self._hub, self._member, self._rights, layer, channel)
        try:
            await delivery.open()
        except DatabaseError:
            yield _closed(CLOSE_RESTARTING)
            return
        if self._place is not None:
            delivery.resume(self._place)
        delivery.spoke()
        serving = asyncio.current_task()
        assert serving is not None
        helpers = [
            asyncio.create_task(self._listen(layer, channel, delivery)),
            asyncio.create_task(self._look_after(delivery, serving)),
        ]
        try:
            await self._tell_presence()
            yield f"retry: {RETRY_MS}\n\n".encode()
            async for event in self._frames(delivery):
                yield event
            yield _closed(delivery.ended.result())
        finally:
            for helper in helpers:
                helper.cancel()
            await delivery.close()
            await self._tell_presence()

    async def _frames(self, delivery: Delivery) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        coming = asyncio.ensure_future(delivery.next())
        try:
            while True:
                either: set[asyncio.Future[Any]] = {coming, delivery.ended}
                await asyncio.wait(either, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
                if delivery.ended.done():
                    return
                if not coming.done():
                    yield BEAT
                    continue
                frame, coming = coming.result(), asyncio.ensure_future(delivery.next())
                self._handed_at = loop.time()
                yield _event(frame, resumes=self._place is not None)
                self._handed_at = None
        finally:
            coming.cancel()

    async def _listen(self, layer: Any, channel: str, delivery: Delivery) -> None:
        while True:
            if not delivery.take(await layer.receive(channel)):
                metrics.UNKNOWN_EVENTS.inc()

    async def _look_after(self, delivery: Delivery, serving: "asyncio.Task[Any]") -> None:
        """End the response of somebody who takes nothing off our hands any more."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._handed_at is None:
                continue
            waited_s = loop.time() - self._handed_at
            if waited_s > UNREAD_S or (delivery.ended.done() and waited_s > LOOK_EVERY_S):
                delivery.end(CLOSE_SLOW)
                serving.cancel()
                return

    async def _tell_presence(self) -> None:
        if self._member.role == Member.Role.PARTICIPANT:
            with contextlib.suppress(DatabaseError):
                await control.tell_presence(self._hub, self._member.session_id, self._member.id)


def _event(frame: dict[str, Any], *, resumes: bool) -> bytes:
    place = ""
    # A welcome tells of the end of the history; whoever still reads up to it is not there yet.
    if "seq" in frame and "epoch" in frame and not (frame["type"] == "welcome" and resumes):
        place = f"id: {frame['epoch']}.{frame['seq']}\n"
    return f"{place}data: {as_json(frame)}\n\n".encode()


def _closed(code: int, *, retry_ms: int = RETRY_MS) -> bytes:
    return f'retry: {retry_ms}\nevent: closed\ndata: {{"code": {code}}}\n\n'.encode()

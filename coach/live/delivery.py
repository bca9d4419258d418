"""One reader's way through their stream: durable frames in order, none twice, and no more waiting
than they can take. The socket and the event stream both send what comes out of here.
"""

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from coach.database import DatabaseError, beside
from coach.live import doorbell
from coach.live.log import REPLAY_LIMIT, History, Place
from coach.models import Member
from coach.ops import metrics
from coach.rooms.access import Rights
from consent import choices
from consent.models import Record
from safety.redaction import restore

if TYPE_CHECKING:
    from coach.live.hub import Hub

FIRST_FRAME_S = 0.5
READ_S = 1.0
# Somebody who reads nothing for this long, or has this many frames waiting, comes back and resumes.
UNREAD_S = 5.0
QUEUE = 256
# Of words that wait for one reader; a character takes up to four bytes, so this is a mebibyte.
QUEUE_CHARACTERS = 2**18
CLOSE_RIGHTS_ENDED = 4403
CLOSE_SLOW = 4408
CLOSE_RESTARTING = 1012


class Delivery:
    """Frames for one member, as far as this reader of theirs has read.

    Numbers come from the log alone: the doorbell's copy is used when it is the next one due, and
    otherwise only says that it is time to read. `ended` becomes the code to close with.
    """

    def __init__(
        self, hub: "Hub", member: Member, rights: Rights, layer: Any, channel: str
    ) -> None:
        self.hub = hub
        self.session: UUID = member.session_id
        self.member: UUID = member.id
        self.role = member.role
        self.audience = member.audience
        self.rights = rights
        self.head = 0
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._layer, self._channel = layer, channel
        self._group = doorbell.group_of(self.session, self.audience)
        self._welcomed = 0
        self._cursor: int | None = None
        # Where a reader says that they were; it counts once the log has confirmed it.
        self._claim: Place | None = None
        self._outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE)
        self._waiting_characters = 0
        self._taken = asyncio.Event()
        self._news = asyncio.Event()
        self._began = asyncio.Event()
        self._pumping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take part in the group; the first frame is the `welcome`. Raises DatabaseError."""
        await self.join_group()
        self.hub.connect(self)
        metrics.SOCKETS.labels(self.role).inc()
        try:
            self.put(await self._welcome())
        except BaseException:
            await self.close()
            raise
        self._pumping = asyncio.create_task(self._pump())

    async def close(self) -> None:
        metrics.SOCKETS.labels(self.role).dec()
        self.hub.disconnect(self)
        if self._pumping is not None:
            self._pumping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pumping
        await self._layer.group_discard(self._group, self._channel)

    async def next(self) -> dict[str, Any]:
        """The next frame to send, as this member may read it."""
        frame = await self._outbox.get()
        self._waiting_characters -= _characters(frame)
        self._taken.set()
        return for_eyes(self.hub, self.session, self.member, self.role, frame)

    def put(self, frame: dict[str, Any]) -> None:
        """Send a frame to this reader alone."""
        size = _characters(frame)
        if self._outbox.full() or self._waiting_characters + size > QUEUE_CHARACTERS:
            # They can resume from the log; the room must not wait for one reader.
            self.end(CLOSE_SLOW)
            return
        self._waiting_characters += size
        self._outbox.put_nowait(frame)

    def end(self, code: int) -> None:
        if not self.ended.done():
            self.ended.set_result(code)

    def spoke(self) -> None:
        """The client said something, so that whoever means to resume has asked for it by now."""
        self._began.set()

    def resume(self, place: Place) -> None:
        """Go on after this place, or tell the reader that what follows it is not there."""
        self._began.set()
        self._claim, self._cursor = place, place.seq
        self._news.set()

    def take(self, message: dict[str, Any]) -> bool:
        """Take in what the doorbell brought; False for what is not known here."""
        match message["type"]:
            case "log.frame":
                self._ring(message["seq"], message["frame"])
            case "passing.frame":
                self.put(message["frame"])
            case _:
                return False
        return True

    # What the hub asks of whoever is connected.

    def head_is(self, seq: int) -> None:
        if seq > self.head or (self._cursor is not None and self._cursor < seq):
            self.head = max(self.head, seq)
            self._news.set()

    async def join_group(self) -> None:
        await self._layer.group_add(self._group, self._channel)

    def rights_ended(self) -> None:
        self.hub.cancel(self.member, "rights_ended")
        self.hub.forget_speaker(self.member)
        self.end(CLOSE_RIGHTS_ENDED)

    # In order.

    def _ring(self, seq: int, frame: dict[str, Any]) -> None:
        self.head = max(self.head, seq)
        if self._cursor is not None and seq == self._cursor + 1 and self._claim is None:
            self._cursor = seq
            self.put(frame)
        else:
            self._news.set()

    async def _pump(self) -> None:
        """Read from the log what the doorbell did not bring."""
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

    async def _catch_up(self) -> None:
        while self._cursor is not None and not self.ended.done():
            after, claim = self._cursor, self._claim
            try:
                history = await self.hub.engines.log.replay(
                    self.session, self.audience, after=after, timeout_s=READ_S
                )
            except DatabaseError:
                return
            if history is None:
                return
            if self._claim is not claim:
                # They resumed from somewhere else while this was read.
                continue
            self._claim = None
            known = claim is None or claim.epoch == history.epoch
            if not (known and history.goes_on(after)):
                self._start_anew(history)
                return
            for event in history.events:
                await self._room_to_put()
                # The doorbell may have moved the cursor while we waited for the log.
                if event["seq"] == self._cursor + 1:
                    self._cursor = event["seq"]
                    self.put(dict(event))
            if self._cursor == after < history.seq:
                self._start_anew(history)
            if len(history.events) < REPLAY_LIMIT:
                return

    def _start_anew(self, history: History) -> None:
        """What they missed is not there any more: they read a snapshot, and go on from here."""
        metrics.RESYNCS.inc()
        self._cursor = history.seq
        self.put(history.resync())

    async def _room_to_put(self) -> None:
        """A long history is read as fast as the reader reads; only news may overrun them."""
        while self._outbox.qsize() > QUEUE // 2 or self._waiting_characters > QUEUE_CHARACTERS // 2:
            self._taken.clear()
            await self._taken.wait()

    # Coming in.

    async def _welcome(self) -> dict[str, Any]:
        room = await self.hub.room(self.session, fresh=True)
        history = await self.hub.engines.log.replay(
            self.session, self.audience, after=2**62, timeout_s=READ_S
        )
        assert room is not None
        assert history is not None
        participates = self.role == Member.Role.PARTICIPANT
        consent, asks_again = await self._consent() if participates else ({}, False)
        self.head = self._welcomed = history.seq
        return {
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

    async def _consent(self) -> tuple[dict[str, list[str]], bool]:
        """What this member allows, and whether a newer notice asks them again."""

        def read() -> tuple[dict[str, list[str]], bool]:
            live = Record.objects.live().filter(subject=self.member).by_purpose()
            return live, choices.asked_again(self.member)

        return await beside(read)


def _characters(frame: dict[str, Any]) -> int:
    return len(frame.get("text") or "")


def for_eyes(
    hub: "Hub", session: UUID, member: UUID, role: str, frame: dict[str, Any]
) -> dict[str, Any]:
    """Placeholders become words again, only here, only for those who said or know them."""
    if "text" not in frame or not isinstance(frame["text"], str) or "[" not in frame["text"]:
        return frame
    if role != Member.Role.PARTICIPANT:
        return frame
    known = hub.spoken_by(member, hub.known_room(session))
    return {**frame, "text": restore(frame["text"], known)}


def as_json(frame: dict[str, Any]) -> str:
    return json.dumps(frame)

"""Words that are still being written: their embedding is made ready for the utterance to come."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from coach.database import DatabaseError
from coach.engines import Engines
from coach.live.deadline import Deadline
from coach.live.room import Room
from coach.ops import metrics
from consent.errors import ConsentError
from consent.registry import Field, Purpose
from rag.errors import RetrievalError
from safety.errors import RedactionFailed

# Of what comes faster than this only the latest is looked at.
DEBOUNCE_S = 0.12
WARM_S = 0.3
FEW_WORDS = 3
MEMBERS = 1000

FindRoom = Callable[[UUID], Awaitable[Room | None]]


@dataclass
class _Writer:
    """A member whose words are being warmed, and the latest of them."""

    session: UUID
    text: str = field(repr=False)


class Warmer:
    """One draft at a time for each member; nothing of it is stored, logged or shown.

    A draft is masked like speech before anything reads it, and is dropped unless its writer lets
    coaching use what they say.
    """

    def __init__(self, engines: Engines, find_room: FindRoom) -> None:
        self._engines, self._find_room = engines, find_room
        self._writers: dict[UUID, _Writer] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def draft(self, text: str, *, session: UUID, member: UUID) -> None:
        """Take these words instead of any that were not begun with."""
        if (writer := self._writers.get(member)) is not None:
            writer.text = text
            return
        if len(self._writers) >= MEMBERS or len(text.split()) < FEW_WORDS:
            return
        self._writers[member] = _Writer(session, text)
        task = asyncio.create_task(self._follow(member))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, member: UUID) -> None:
        """Warm what was written, and again what was written meanwhile, until nothing is new."""
        warmed = ""
        try:
            while (writer := self._writers[member]).text != warmed:
                await asyncio.sleep(DEBOUNCE_S)
                warmed = writer.text
                metrics.DRAFT_FRAMES.labels(await self._warm(warmed, writer.session, member)).inc()
        finally:
            del self._writers[member]

    async def _warm(self, text: str, session: UUID, member: UUID) -> str:
        deadline = Deadline.after_ms(1000 * WARM_S)
        try:
            room = await self._find_room(session)
            if room is None or room.playbook_id is None or room.mode == "paused":
                return "not_due"
            if not await self._engines.vault.allows(
                member, Field.UTTERANCE, purpose=Purpose.COACHING, timeout_s=deadline.remaining_s()
            ):
                return "no_consent"
            redacted = await self._engines.redact(text, room, deadline)
            await self._engines.retrieval.warm(redacted.text, timeout_s=deadline.remaining_s())
        except (ConsentError, DatabaseError, RedactionFailed, RetrievalError):
            return "failed"
        return "warmed"

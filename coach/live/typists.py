"""Who is writing just now: a nudge must not come in between."""

import asyncio
import time
from uuid import UUID

# A client says every so often that somebody writes; this long after the last time they do not.
WRITING_S = 1.0
LOOK_EVERY_S = 0.05


class Typists:
    """Members who are writing, as far as this worker is told of it."""

    def __init__(self) -> None:
        self._wrote_at: dict[UUID, float] = {}

    def wrote(self, member: UUID) -> None:
        self._wrote_at[member] = time.monotonic()

    def forget(self, member: UUID) -> None:
        """They said what they were writing, or left."""
        self._wrote_at.pop(member, None)

    def busy(self, member: UUID) -> bool:
        wrote_at = self._wrote_at.get(member)
        return wrote_at is not None and time.monotonic() - wrote_at < WRITING_S

    async def paused(self, member: UUID, *, timeout_s: float) -> bool:
        """Wait until they do not write; False when they still do after `timeout_s`."""
        until = time.monotonic() + timeout_s
        while self.busy(member):
            if time.monotonic() + LOOK_EVERY_S > until:
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        return True

"""What a client does with words that were refused for now.

Said again all at once and each second, the words of a crowd keep a busy server busy with refusing
them long after the reason is gone. So they are said again one at a time, the oldest first, and
ever more slowly; once one of them is taken, the next follows at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

LONGEST_S, ANSWER_S = 15.0, 10.0
DOUBLED = 6


class Patience:
    """`say` sends words by their id; False where there is no line to send them on."""

    def __init__(self, say: Callable[[str], Awaitable[bool]]) -> None:
        self._say = say
        self._waiting: dict[str, float] = {}
        self._answered = asyncio.Event()
        self._saying: asyncio.Task[None] | None = None

    def refused(self, key: str, wait_s: float) -> None:
        """These words are to be said again, after so long at the soonest."""
        self._waiting[key] = wait_s
        self._answered.set()
        self.go_on()

    def settled(self, key: str) -> None:
        """These words were taken, or refused for good."""
        if self._waiting.pop(key, None) is not None:
            self._answered.set()

    def go_on(self) -> None:
        if self._waiting and (self._saying is None or self._saying.done()):
            self._saying = asyncio.create_task(self._say_all())

    def stop(self) -> None:
        """Say nothing more on this line; what waits may go on with the next."""
        if self._saying is not None:
            self._saying.cancel()

    async def _say_all(self) -> None:
        refusals = 1
        while self._waiting:
            if refusals:
                wait_s = next(iter(self._waiting.values())) * 2 ** min(refusals - 1, DOUBLED)
                await asyncio.sleep(min(LONGEST_S, wait_s))
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                return
            self._answered.clear()
            if not await self._say(oldest):
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await self._answered.wait()
            refusals = refusals + 1 if oldest in self._waiting else 0

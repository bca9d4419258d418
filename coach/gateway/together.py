"""One statement for all who need the same one in the same moment."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from coach import tenancy

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST = 64


@dataclass
class _Queue(Generic[Item, Answer]):
    waiting: list[tuple[Item, "asyncio.Future[Answer]"]] = field(default_factory=list)
    worker: "asyncio.Task[None] | None" = None


class Together(Generic[Item, Answer]):
    """Asks `work` for many items at once: for those that came while it was busy, or within
    `gather_s` of the first.

    Items of different scopes (`coach.tenancy`) never share a statement: row-level security would
    hide one tenant's rows from another's. `work` gives one answer an item, in their order; what
    it raises, every asker gets.
    """

    def __init__(
        self, work: Callable[[list[Item]], Awaitable[list[Answer]]], *, gather_s: float = 0.0
    ) -> None:
        self._work = work
        self._gather_s = gather_s
        self._queues: dict[tenancy.Scope, _Queue[Item, Answer]] = {}

    def begin(self, item: Item) -> "asyncio.Future[Answer]":
        """The answer that is to come, whether anybody waits for it or not."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        scope = tenancy.current()
        queue = self._queues.setdefault(scope, _Queue())
        queue.waiting.append((item, answer))
        if queue.worker is None:
            queue.worker = asyncio.create_task(self._serve(scope, queue))
        return answer

    async def _serve(self, scope: tenancy.Scope, queue: _Queue[Item, Answer]) -> None:
        try:
            while queue.waiting:
                await asyncio.sleep(self._gather_s)
                taken, queue.waiting = queue.waiting[:MOST], queue.waiting[MOST:]
                await self._answer(taken)
        finally:
            del self._queues[scope]

    async def _answer(self, taken: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._work([item for item, _ in taken])
        except Exception as exc:
            for _, future in taken:
                if not future.done():
                    future.set_exception(exc)
                    # Whoever gave up meanwhile reads no error, and that is no mistake of theirs.
                    future.exception()
            return
        for (_, future), answer in zip(taken, answers, strict=True):
            if not future.done():
                future.set_result(answer)

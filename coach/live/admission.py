"""Whether this worker takes on more: by what is under way, how late its loop is, who waits for the
database, and how full its memory is. What it cannot do in time it refuses at once.
"""

import asyncio
import ctypes
import gc
import math
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from coach.errors import Overloaded
from coach.ops import metrics

log = structlog.get_logger(__name__)

# The limit on roads finds itself: it shrinks while roads take too long of our own time, and grows
# by one in the time that as many roads take (additive increase, multiplicative decrease: Chiu and
# Jain, Computer Networks 1989). Where nothing was slow for a while it comes back by itself.
FEWEST, SHRINK, SHRINK_EVERY_S = 8, 0.9, 0.1
GROW, CALM_S = 1.25, 2.0
# One late timer is a neighbour's doing or a collection of garbage; several in a row are ours.
LAG_EVERY_S, LAG_MS, LAG_IN_A_ROW = 0.05, 250.0, 3
# Whoever is refused comes back, and refusing them again costs as well. From so many refusals a
# second, counted over the last few, they are asked to wait in proportion: a thousand who insist
# then come back a hundred a second.
RETRY_MS, LONGEST_RETRY_MS = 1000, 15_000
MANY_REFUSED_PER_S, REFUSED_OVER_S = 10.0, 5.0
# Coming in costs half a dozen statements; of a restarted server's clients so many do it at once.
ARRIVING, ARRIVING_S = 8, 3.0
# A request holds a connection of its own to the database, which has only so many.
REQUESTS, REQUEST_S = 12, 2.0
WARN, SHED, REFUSE = 0.70, 0.85, 0.95
SHED_EVERY_S = 30.0
LIMIT_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Admission:
    """One per worker. `most` roads at once at the very most; `waiting` is the database's queue.

    `slow_ms` is our own time on one road, a model's left out, beyond which fewer are let in.
    """

    def __init__(
        self,
        *,
        most: int,
        slow_ms: float,
        waiting: Callable[[], int],
        waiting_most: int,
        memory_bytes: int,
        shed: Callable[[], None],
    ) -> None:
        self.limit = float(most)
        self.roads = 0
        self._lags_ms = deque([0.0], maxlen=LAG_IN_A_ROW)
        self.memory = 0.0
        self._most, self._slow_ms = most, slow_ms
        self._waiting, self._waiting_most = waiting, waiting_most
        self._memory_bytes, self._shed = memory_bytes or memory_limit(), shed
        self._shrunk = self._shed_at = float("-inf")
        self._refused, self._refused_at = 0.0, 0.0
        self._doors = asyncio.Semaphore(ARRIVING)
        self._requests = asyncio.Semaphore(REQUESTS)

    @property
    def lag_ms(self) -> float:
        """By how much the loop was late at the very least, the last few times."""
        return min(self._lags_ms)

    @property
    def overload(self) -> str:
        """What there is too much of; "" while there is not."""
        if self.roads >= int(self.limit):
            return "roads"
        if self.lag_ms > LAG_MS:
            return "lag"
        if self._waiting() > self._waiting_most:
            return "database"
        return ""

    @property
    def state(self) -> dict[str, str]:
        """How it is going, in words, for whoever asks whether this worker is ready."""
        share = f"{self.memory:.0%}"
        return {
            "load": f"overloaded ({self.overload})" if self.overload else "ok",
            "memory": share if self.takes_sessions else f"full ({share})",
        }

    @property
    def takes_sessions(self) -> bool:
        return self.memory < REFUSE

    def admit(self) -> None:
        """Raises Overloaded where one more road would not be walked in time."""
        if signal := self.overload:
            metrics.OVERLOADED.labels(signal).inc()
            raise Overloaded(signal, after_ms=self._come_back_ms())

    def _come_back_ms(self) -> int:
        """When to ask again, by how many were refused a second lately, this one among them."""
        now = time.monotonic()
        faded = math.exp((self._refused_at - now) / REFUSED_OVER_S)
        self._refused, self._refused_at = self._refused * faded + 1, now
        per_s = self._refused / REFUSED_OVER_S
        return round(min(LONGEST_RETRY_MS, RETRY_MS * max(1.0, per_s / MANY_REFUSED_PER_S)))

    def admit_session(self) -> None:
        """Raises Overloaded while there is no memory for more people."""
        if not self.takes_sessions:
            metrics.OVERLOADED.labels("memory").inc()
            raise Overloaded("memory", after_ms=10 * RETRY_MS)

    def began(self) -> None:
        self.roads += 1

    def ended(self, own_ms: float | None) -> None:
        """A road is over; `own_ms` is None where it tells nothing of how busy we are."""
        busy = self.roads * 2 >= self.limit
        self.roads -= 1
        if own_ms is None:
            return
        now = time.monotonic()
        if own_ms > self._slow_ms:
            if now - self._shrunk >= SHRINK_EVERY_S:
                self.limit = max(float(FEWEST), self.limit * SHRINK)
                self._shrunk = now
        elif busy:
            self.limit = min(float(self._most), self.limit + 1 / self.limit)

    @asynccontextmanager
    async def arriving(self) -> AsyncIterator[bool]:
        """A turn to come in; False when so many others wait that it would take too long."""
        try:
            async with asyncio.timeout(ARRIVING_S):
                await self._doors.acquire()
        except TimeoutError:
            metrics.OVERLOADED.labels("arriving").inc()
            yield False
            return
        try:
            yield True
        finally:
            self._doors.release()

    async def request(self) -> Callable[[], None] | None:
        """A turn for a plain request, and how to give it back; None when it would take too long."""
        try:
            async with asyncio.timeout(REQUEST_S):
                await self._requests.acquire()
        except TimeoutError:
            metrics.OVERLOADED.labels("requests").inc()
            return None
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                self._requests.release()

        return give_back

    async def keep_watch(self) -> None:
        """Measure for ever; the loop's lateness is what a timer that is due waits beyond it."""
        looked = 0.0
        while True:
            due = time.monotonic() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            now = time.monotonic()
            self.was_late((now - due) * 1000)
            if now - looked >= 1.0:
                looked = now
                if now - self._shrunk > CALM_S:
                    self.limit = min(float(self._most), self.limit * GROW)
                self.look(resident_bytes() / self._memory_bytes)
                metrics.LOAD.labels("tasks").set(len(asyncio.all_tasks()))

    def was_late(self, *lags_ms: float) -> None:
        self._lags_ms.extend(lags_ms)

    def look(self, memory: float) -> None:
        """Take note of the share of memory in use, and act on it."""
        if memory >= WARN > self.memory:
            log.warning("memory.filling", percent=round(100 * memory))
        self.memory = memory
        if memory >= SHED and time.monotonic() - self._shed_at >= SHED_EVERY_S:
            self._shed_at = time.monotonic()
            log.error("memory.shedding", percent=round(100 * memory))
            self._shed()
            give_memory_back()
        metrics.LOAD.labels("roads").set(self.roads)
        metrics.LOAD.labels("roads_limit").set(int(self.limit))
        metrics.LOAD.labels("lag_ms").set(self.lag_ms)
        metrics.LOAD.labels("database_waiting").set(self._waiting())
        metrics.LOAD.labels("memory_share").set(memory)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


def memory_limit() -> int:
    """What this process may take: its container's limit, or all there is."""
    there_is = os.sysconf("SC_PHYS_PAGES") * PAGE
    for name in LIMIT_FILES:
        try:
            limit = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if limit.isdigit():
            return min(int(limit), there_is)
    return there_is


def give_memory_back() -> None:
    """Collect garbage, and hand what the allocator holds free back to the system, where it can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

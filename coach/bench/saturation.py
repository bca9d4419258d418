"""The greatest rate that a server keeps: found by an open loop that talks faster and faster."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from coach.bench import vitals
from coach.bench.crowd import EACH_S, Ring, Room, Said, Talk, words
from coach.bench.report import Say
from coach.demo.rehearsal import quantiles
from coach.live.client import Rest
from coach.live.server import Server

IN_TIME_MS = 800.0
# A rate is kept when so many are answered in time.
KEPT_SHARE = 0.95
FIRST_RATE, FASTER, HALVINGS = 8.0, 1.5, 3
# Every road ends within 1.5 s, so whoever has no answer by then was refused.
SETTLE_S = 2.0
SECONDS = 10.0
SEATED_AT_ONCE = 4


@dataclass(frozen=True)
class Step:
    """What became of what was said at one rate. Goodput: answers a second that came in time."""

    rate: float
    said: int
    seconds: float
    in_time: int
    refused: int
    failed: int
    taken_ms: Sequence[float]
    nudged: int
    cores: float
    database_cores: float

    @property
    def share(self) -> float:
        return self.in_time / self.said if self.said else 0.0

    @property
    def goodput(self) -> float:
        return self.in_time / self.seconds

    @property
    def kept(self) -> bool:
        return self.share >= KEPT_SHARE

    def quantile(self, name: str) -> float:
        """In ms; 0 where nothing was answered."""
        return quantiles(self.taken_ms).get(name, 0.0)

    def row(self, what: str) -> dict[str, object]:
        return {
            "what": what,
            "asked /s": round(self.rate, 1),
            "n": self.said,
            "in time /s": round(self.goodput, 1),
            "share in time": round(self.share, 3),
            "refused": self.refused,
            "failed": self.failed,
            **{f"{name} ms": ms for name, ms in quantiles(self.taken_ms).items()},
            "nudges": self.nudged,
            "workers' cores": round(self.cores, 2),
            "PostgreSQL's cores": round(self.database_cores, 2),
        }


@dataclass(frozen=True)
class Seating:
    """Where a crowd sits: rooms of so many members, for these facilitators, on any worker."""

    servers: Sequence[Server]
    facilitators: Sequence[Rest]
    members: int = 8
    playbook: str | None = None


class Crowd:
    """People in rooms, more of them as they are needed, who are asked to talk at some rate."""

    def __init__(self, seating: Seating, stack: AsyncExitStack) -> None:
        self._seating = seating
        self._stack = stack
        self._rooms: list[Room] = []
        self._ring = Ring()
        self._texts = words()
        self._people = 0

    async def grow(self, people: int) -> None:
        """At least so many; some join at once, as they do when a meeting begins."""
        while self._people < people:
            few = range(self._people, min(people, self._people + SEATED_AT_ONCE))
            for number in few:
                if number % self._seating.members == 0:
                    await self._open_room(len(self._rooms))
            await asyncio.gather(*(self._seat(number) for number in few))
            self._people += len(few)

    async def talk(self, per_s: float, seconds: float = SECONDS) -> Step:
        """Everybody in turn, so many utterances a second, and whatever came back."""
        await self.grow(math.ceil(per_s * EACH_S))
        heard: list[Said] = []
        talk = Talk(self._ring, self._texts, heard.append)
        used, database = self._used(), vitals.database_cpu_s()
        await talk.at(per_s, seconds)
        cores = (self._used() - used) / seconds
        database_cores = (vitals.database_cpu_s() - database) / seconds
        if heard:
            await asyncio.wait({said.turn.done for said in heard}, timeout=SETTLE_S)
        return _step(per_s, seconds, heard, talk.unsent, cores, database_cores)

    def _used(self) -> float:
        return sum(vitals.cpu_s(server.process.pid) for server in self._seating.servers)

    async def _open_room(self, number: int) -> None:
        seating = self._seating
        facilitator = seating.facilitators[number % len(seating.facilitators)]
        server = seating.servers[number % len(seating.servers)]
        room = await Room.open(
            facilitator, server.ws, title=f"Load {number}", playbook=seating.playbook
        )
        self._rooms.append(room)
        self._stack.push_async_callback(room.console.close)

    async def _seat(self, number: int) -> None:
        servers = self._seating.servers
        room = self._rooms[number // self._seating.members]
        url = servers[number % len(servers)].ws
        person = await room.join(f"Member {number % self._seating.members}", url=url)
        # What is refused stays refused, or the rate would not be the one that was asked.
        person.patient = False
        self._stack.push_async_callback(person.close)
        self._ring.enter(person)


def _step(
    per_s: float, seconds: float, heard: Sequence[Said], unsent: Counter[str], cores: float,
    database_cores: float,
) -> Step:  # fmt: skip
    taken = [ms for said in heard if (ms := said.taken_ms) is not None]
    ended = [said for said in heard if said.turn.terminals]
    failed = sum(said.turn.terminals[0]["type"] == "error" for said in ended)
    in_time = sum(
        said.turn.terminals[0]["type"] not in ("error", "cancelled")
        and (said.taken_ms or 0.0) <= IN_TIME_MS
        for said in ended
    )
    return Step(
        rate=per_s,
        said=len(heard) + unsent.total(),
        seconds=seconds,
        in_time=in_time,
        refused=len(heard) - len(ended),
        failed=failed + unsent.total(),
        taken_ms=taken,
        nudged=sum(said.turn.terminals[0]["type"] == "nudge.done" for said in ended),
        cores=cores,
        database_cores=database_cores,
    )


async def saturation(crowd: Crowd, say: Say, *, seconds: float = SECONDS) -> list[Step]:
    """Steps of rising rate to the first that is not kept, and halvings between; as they were taken.

    The greatest kept rate among them is the saturation point; 0 where even the first is not kept.
    """
    steps: list[Step] = []

    async def keeps(rate: float) -> bool:
        steps.append(await crowd.talk(rate, seconds))
        say(f"{rate:.1f}/s: {steps[-1].share:.1%} in time")
        return steps[-1].kept

    low, high = 0.0, FIRST_RATE
    while await keeps(high):
        low, high = high, high * FASTER
    for _ in range(HALVINGS if low else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if await keeps(middle) else (low, middle)
    return steps


def kept_rate(steps: Sequence[Step]) -> float:
    return max((step.rate for step in steps if step.kept), default=0.0)

"""People who take turns talking at a given rate, whatever the answers do."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Self

import httpx2
import websockets

from coach.demo.load import HERE
from coach.live.client import LiveClient, Rest, RestError, Ticket, Turn
from safety.jsonlines import read

# Whoever speaks again takes back their older nudge, so nobody speaks sooner than this.
EACH_S = 2.0
BROKEN = (
    OSError, EOFError, TimeoutError, RestError, httpx2.HTTPError, websockets.WebSocketException,
)  # fmt: skip


def words() -> Iterator[str]:
    """Our graded utterances for ever, each time a little different: no embedding is kept."""
    texts = [row["text"] for row in read(HERE / "graded.jsonl", {"text": str})]
    for number, text in zip(count(1), cycle(texts), strict=False):
        yield f"{text}, {number}"


@dataclass(frozen=True)
class Said:
    """An utterance, and when it was due: a late sender makes nobody faster."""

    due: float
    turn: Turn

    @property
    def taken_ms(self) -> float | None:
        """From when it was due to its terminal frame; None while there is none."""
        taken = self.turn.total_ms
        return None if taken is None else taken + (self.turn.sent_at - self.due) * 1000


class Ring:
    """Who is here, in the order in which they speak."""

    def __init__(self, people: Sequence[LiveClient] = ()) -> None:
        self._here = deque(people)

    def __len__(self) -> int:
        return len(self._here)

    def enter(self, person: LiveClient) -> None:
        self._here.append(person)

    def leave(self, person: LiveClient) -> None:
        if person in self._here:
            self._here.remove(person)

    def next(self) -> LiveClient | None:
        """Whoever has been silent longest; None when nobody is here."""
        if not self._here:
            return None
        self._here.rotate(-1)
        return self._here[-1]


@dataclass
class Talk:
    """An open loop: an utterance is due when it is due, and is sent by a task of its own."""

    ring: Ring
    texts: Iterator[str]
    heard: Callable[[Said], None]
    unsent: Counter[str] = field(default_factory=Counter)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    async def at(self, per_s: float, seconds: float) -> None:
        """So many utterances a second for so long; what cannot be sent is counted by its error."""
        began = time.perf_counter()
        for n in range(round(per_s * seconds)):
            due = began + n / per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            person = self.ring.next()
            if person is None:
                self.unsent["nobody"] += 1
                continue
            task = asyncio.create_task(self._say(person, due))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        if self._sending:
            await asyncio.wait(self._sending, timeout=EACH_S)

    async def _say(self, person: LiveClient, due: float) -> None:
        try:
            self.heard(Said(due, await person.say(next(self.texts))))
        except BROKEN as exc:
            self.unsent[type(exc).__name__] += 1


@dataclass
class Room:
    """A session on some worker, with its facilitator looking on."""

    api: Rest
    url: str
    session: str
    code: str
    console: LiveClient
    everything: dict[str, list[str]]

    @classmethod
    async def open(cls, api: Rest, url: str, *, title: str, playbook: str | None = None) -> Self:
        """Raises one of BROKEN."""
        asked = {"title": title, "cooldown_s": 0, "playbook": playbook}
        made = await api.call("POST", "sessions/", asked)
        console = LiveClient(url, Ticket(made["id"], "", api.token))
        await console.open(as_role="facilitator")
        everything = await api.every_choice(made["join_code"])
        return cls(api, url, made["id"], made["join_code"], console, everything)

    async def join(self, name: str, *, url: str = "") -> LiveClient:
        """Somebody who allows everything, with an open line. Raises one of BROKEN."""
        person = LiveClient(url or self.url, await self.api.join(self.code, name, self.everything))
        await person.open()
        return person

    async def end(self) -> None:
        """Raises one of BROKEN."""
        await self.api.call("POST", f"sessions/{self.session}/end/")
        await self.console.close()

"""An hour of people who come, talk, change their minds and go, and what that leaves behind."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import httpx2
from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone

from coach.bench import vitals
from coach.bench.crowd import BROKEN, EACH_S, Ring, Room, Said, Talk, words
from coach.bench.report import Report, Say, Table
from coach.bench.vitals import Vitals
from coach.demo.rehearsal import quantiles
from coach.live.client import LiveClient, Rest, is_passing, rest
from coach.live.server import Server
from coach.models import Utterance
from coach.ops.plots import Chart, Series

LOOK_S, TELL_S = 10.0, 60.0
# Of the whole time: in an hour the first ten minutes, in which caches and pools fill.
WARM_UP_SHARE = 1 / 6
ROOM_S, MEMBERS = (60.0, 240.0), 8
# How long a room leaves one of its members alone, and how long somebody is away.
BETWEEN_S, AWAY_S = (1.0, 4.0), (0.5, 4.0)
LAST_WORDS_S = 2.0
ARRIVED_S = 60.0
# Until what nobody ends any more has been ended by whoever looks after it.
SETTLED_S = 15.0
VERDICTS = ("accepted", "dismissed", "not_relevant", "edited")
SLOPE_PER = 10.0


@dataclass
class Tally:
    """What happened, by name, and how long answers took in ms."""

    done: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    taken_ms: list[float] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)

    def heard(self, said: Said) -> None:
        self.done["utterances"] += 1
        said.turn.done.add_done_callback(lambda _: self._ended(said))

    def unheard(self, person: LiveClient) -> None:
        """What somebody who goes for good has not been answered, and why."""
        for turn in person.turns.values():
            if not turn.terminals:
                why = "went before its end" if turn.utterance else "never taken in"
                self.unanswered[why] += 1

    def _ended(self, said: Said) -> None:
        if said.turn.terminals and (taken := said.taken_ms) is not None:
            self.ends[said.turn.terminals[0]["type"]] += 1
            self.taken_ms.append(taken)


class Soak:
    """Rooms that open and end until it is over, on one server."""

    def __init__(self, server: Server, api: Rest, *, rate: float, minutes: float) -> None:
        self._server, self._api = server, api
        self._rate, self._seconds = rate, 60 * minutes
        self._ring = Ring()
        self._rng = random.Random(11)
        self.tally = Tally()
        self.seen: list[Vitals] = []
        self.failed = 0
        self.sessions: list[UUID] = []
        # Of the rows: how many were taken in, and how many of those nothing has ended.
        self.kept = self.unended = 0

    async def run(self, say: Say) -> None:
        """Talk until the time is over, look on, and let everybody go."""
        rooms = math.ceil(self._rate * EACH_S / MEMBERS) + 1
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(rooms):
                group.create_task(self._keep_a_room(over, number))
            looking = group.create_task(self._look(say))
            async with asyncio.timeout(ARRIVED_S):
                while len(self._ring) < MEMBERS:  # noqa: ASYNC110  a ring has no such event
                    await asyncio.sleep(0.1)
            talk = Talk(self._ring, words(), self.tally.heard)
            await talk.at(self._rate, self._seconds)
            over.set()
            looking.cancel()
        self.tally.broken += talk.unsent
        async with httpx2.AsyncClient(timeout=15.0) as http:
            self.failed = vitals.failed_requests(await vitals.scrape(self._server, http))
        await asyncio.sleep(settings.ENV.terminal_ms / 1000 + SETTLED_S)
        self.kept, self.unended = await sync_to_async(self._in_the_log)()

    def _in_the_log(self) -> tuple[int, int]:
        kept = Utterance.objects.filter(session__in=self.sessions)
        over = kept.filter(outcome=None, lease_until__lt=timezone.now())
        return kept.count(), over.count()

    async def _look(self, say: Say) -> None:
        told = began = time.monotonic()
        async with httpx2.AsyncClient(timeout=15.0) as http:
            while True:
                await asyncio.sleep(LOOK_S)
                try:
                    self.seen.append(await vitals.look(self._server, http))
                except BROKEN as exc:
                    self.tally.broken[f"look: {type(exc).__name__}"] += 1
                    continue
                if time.monotonic() - told >= min(TELL_S, self._seconds / 4):
                    told = time.monotonic()
                    now = self.seen[-1]
                    say(
                        f"{(told - began) / 60:.0f} min: {self.tally.done['utterances']} said, "
                        f"{now.resident_mib:.0f} MiB, {now.tasks} tasks, {now.lines} lines, "
                        f"{now.connections} connections"
                    )

    async def _keep_a_room(self, over: asyncio.Event, number: int) -> None:
        """One room after the other; rooms do not begin and end together."""
        share = (number + 1) / 10
        while not over.is_set():
            room: Room | None = None
            people: list[LiveClient] = []
            try:
                room = await Room.open(self._api, self._server.ws, title=f"Soak {number}")
                self.sessions.append(UUID(room.session))
                self.tally.done["sessions opened"] += 1
                for seat in range(MEMBERS):
                    people.append(await room.join(f"Member {seat}"))
                    self.tally.done["joined"] += 1
                    self._ring.enter(people[-1])
                await self._live(over, room, people, self._rng.uniform(*ROOM_S) * min(1, share))
            except BROKEN as exc:
                self.tally.broken[type(exc).__name__] += 1
                await asyncio.sleep(1.0)
            share = 1.0
            await self._leave(room, people)

    async def _live(
        self, over: asyncio.Event, room: Room, people: Sequence[LiveClient], seconds: float
    ) -> None:
        until = time.monotonic() + seconds
        habits: tuple[Callable[[Room, LiveClient], Awaitable[None]], ...] = (
            self._come_and_go, self._change_mind, self._answer, self._answer, self._wish,
        )  # fmt: skip
        while time.monotonic() < until and not over.is_set():
            await asyncio.sleep(self._rng.uniform(*BETWEEN_S))
            await self._rng.choice(habits)(room, self._rng.choice(people))

    async def _come_and_go(self, _room: Room, person: LiveClient) -> None:
        """A phone that loses its network and comes back, missing nothing."""
        self._ring.leave(person)
        await _last_words(person)
        await person.close()
        await asyncio.sleep(self._rng.uniform(*AWAY_S))
        await person.open()
        self._ring.enter(person)
        self.tally.done["left and came back"] += 1

    async def _change_mind(self, room: Room, person: LiveClient) -> None:
        """Consent is taken back, some words go unanswered, and it is given again."""
        path = f"?session={room.session}"
        taken = self._rng.choice((["utterance"], ["recent_turns"], ["goal", "profile_note"]))
        body = {"purpose": "coaching", "fields": taken}
        token = person.ticket.token
        await room.api.call("POST", f"consent/withdraw/{path}", body, token=token)
        await asyncio.sleep(self._rng.uniform(*AWAY_S))
        await room.api.call("POST", f"consent/grant/{path}", body, token=token)
        self.tally.done["consent changed"] += 2

    async def _answer(self, _room: Room, person: LiveClient) -> None:
        nudges = [event for event in person.events if event["type"] == "nudge.done"]
        if not nudges:
            return
        verdict = self._rng.choice(VERDICTS)
        frame = {"type": "feedback", "nudge": nudges[-1]["nudge"], "verdict": verdict}
        await person.send(frame | ({"text": "In my own words"} if verdict == "edited" else {}))
        self.tally.done["nudges answered"] += 1

    async def _wish(self, _room: Room, person: LiveClient) -> None:
        """Fewer or more; nobody asks for quiet, or the talk would get cheaper."""
        wanted = self._rng.choice(("less", "normal", "more"))
        await person.send({"type": "prefer", "verbosity": wanted})
        self.tally.done["wishes"] += 1

    async def _leave(self, room: Room | None, people: Sequence[LiveClient]) -> None:
        for person in people:
            self._ring.leave(person)
        await asyncio.gather(*map(_last_words, people))
        for person in people:
            self.tally.done["refused for now"] += sum(map(is_passing, person.passing))
            self.tally.unheard(person)
        try:
            if room is not None:
                await room.end()
                self.tally.done["sessions ended"] += 1
        except BROKEN as exc:
            self.tally.broken[f"end: {type(exc).__name__}"] += 1
        for person in people:
            with suppress(*BROKEN):
                await person.close()


async def _last_words(person: LiveClient) -> None:
    """Wait for what is still to be answered."""
    waiting = {turn.done for turn in person.turns.values() if not turn.done.done()}
    if waiting:
        await asyncio.wait(waiting, timeout=LAST_WORDS_S)


async def soak(server: Server, token: str, *, rate: float, minutes: float, say: Say) -> Report:
    """The report of one soak; the server's log must hold nothing from before."""
    async with rest(server.http, token) as api:
        soaked = Soak(server, api, rate=rate, minutes=minutes)
        say(f"{rate:.1f} utterances/s for {minutes:g} minutes")
        await soaked.run(say)
    return report(soaked, vitals.complaints(server.log), rate=rate, minutes=minutes)


def report(soaked: Soak, complaints: vitals.Complaints, *, rate: float, minutes: float) -> Report:
    tally, seen = soaked.tally, soaked.seen
    began = seen[0].at_s if seen else 0.0
    warm = [look for look in seen if look.at_s - began >= 60 * minutes * WARM_UP_SHARE]
    line = vitals.slope(((look.at_s - began) / 60, look.resident_mib) for look in warm)
    unanswered = tally.done["utterances"] - tally.ends.total()
    rows: list[dict[str, object]] = [
        {
            "what": "minutes, of which warm-up",
            "value": f"{minutes:g}, {minutes * WARM_UP_SHARE:.2g}",
        },
        {"what": "utterances a second", "value": round(rate, 1)},
        *({"what": what, "value": n} for what, n in tally.done.items()),
        {"what": "how they ended", "value": _counted(tally.ends)},
        {"what": "without an end at the client", "value": unanswered},
        {"what": "unanswered when their speakers left", "value": _counted(tally.unanswered) or 0},
        {"what": "taken into the log", "value": soaked.kept},
        {"what": "of these, without an end in the log", "value": soaked.unended},
        {"what": "milliseconds to the end", "value": _named(quantiles(tally.taken_ms))},
        {"what": "unhandled exceptions in the log", "value": complaints.unhandled.total()},
        {"what": "errors in the log", "value": _counted(complaints.errors) or 0},
        {"what": "requests answered with 5xx", "value": soaked.failed},
        {"what": "what broke at the clients' end", "value": _counted(tally.broken) or 0},
    ]
    if line is not None:
        rows.append({
            "what": f"memory, MiB in {SLOPE_PER:g} minutes (least squares ± standard error)",
            "value": f"{SLOPE_PER * line.per_minute:+.2f} ± {SLOPE_PER * line.error:.2f}",
        })  # fmt: skip
    rows += [_course(name, seen, warm) for name in (
        "resident_mib", "tasks", "lines", "descriptors", "connections",
    )] if warm else []  # fmt: skip
    chart = Chart(
        "Resident memory of the worker", "minutes", "MiB",
        (Series("RSS", [((s.at_s - began) / 60, s.resident_mib) for s in seen]),),
    )  # fmt: skip
    return Report((Table(rows),), plots={"soak-memory.svg": chart.svg()} if seen else {})


def _course(name: str, seen: Sequence[Vitals], warm: Sequence[Vitals]) -> dict[str, object]:
    first, after, last = (getattr(look, name) for look in (seen[0], warm[0], seen[-1]))
    most = max(getattr(look, name) for look in seen)
    shown = [f"{value:.0f}" for value in (first, after, last, most)]
    title = name.replace("resident_mib", "resident MiB")
    return {
        "what": f"{title}: at first, after warm-up, at the end, at most",
        "value": ", ".join(shown),
    }


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{what} {n:,}" for what, n in counter.most_common() if n)


def _named(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())

"""Where a worker is full, what it does beyond that, and what makes an utterance dearer."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from asgiref.sync import sync_to_async

from coach.bench import stage, tenants
from coach.bench.report import Report, Say, Table
from coach.bench.saturation import (
    IN_TIME_MS,
    Crowd,
    Seating,
    Step,
    kept_rate,
    saturation,
)
from coach.live.client import Rest, rest
from coach.live.server import Server
from coach.models import Organisation
from coach.ops.plots import Chart, Series

OVERLOAD = 3
# Growth is measured where a worker has time to spare, so that nothing queues.
AT_SHARE = 0.4
AFTER_SHARE = 0.7


@dataclass(frozen=True)
class Scale:
    """How long and how far: seconds of a step, and what is made to grow."""

    seconds: float
    members: Sequence[int]
    passages: Sequence[int]
    tenants: Sequence[int]
    workers: Sequence[int]


FULL = Scale(10.0, (2, 8, 24), (1_000, 10_000), (1, 4, 16), (1, 2))
QUICK = Scale(4.0, (2, 8), (1_000,), (1, 4), (1,))
LARGE = 100_000


async def load(
    servers: Callable[[int], stage.Servers], token: str, scale: Scale, say: Say
) -> Report:
    """The whole report; `servers` starts so many workers that know of each other."""
    rising: list[Step] = []
    by_workers: dict[int, Step] = {}
    tables: list[Table] = []
    charts: dict[str, Chart] = {}
    for count in scale.workers:
        say(f"{count} worker(s): rising rate")
        async with AsyncExitStack() as stack:
            running = stack.enter_context(servers(count))
            api = await stack.enter_async_context(rest(running[0].http, token))
            steps = await _rise(Seating(running, [api]), scale, say)
            by_workers[count] = max((s for s in steps if s.kept), key=_rate, default=steps[0])
            if count != 1:
                continue
            rising = steps
            at = AT_SHARE * max(kept_rate(steps), min(map(_rate, steps)))
            for name, grown in (await _growth(running, api, at, scale, say)).items():
                tables.append(_growth_table(name, at, grown))
                charts[f"load-by-{name}.svg"] = _growth_chart(name, at, grown)
    tables.insert(0, _rising_table(rising))
    tables.append(_workers_table(by_workers))
    charts = _rising_charts(rising) | charts
    return Report(tables, SAYS, {name: chart.svg() for name, chart in charts.items()})


async def _rise(seating: Seating, scale: Scale, say: Say) -> list[Step]:
    """Steps to the saturation point, then at three times of it, then at less than it again."""
    async with AsyncExitStack() as stack:
        crowd = Crowd(seating, stack)
        steps = await saturation(crowd, say, seconds=scale.seconds)
        kept = kept_rate(steps)
        if kept:
            for rate in (OVERLOAD * kept, AFTER_SHARE * kept):
                steps.append(await crowd.talk(rate, 2 * scale.seconds))
                say(f"{rate:.1f}/s: {steps[-1].goodput:.1f}/s in time")
        return steps


async def _growth(
    running: Sequence[Server], api: Rest, at: float, scale: Scale, say: Say
) -> dict[str, dict[int, Step]]:
    found: dict[str, dict[int, Step]] = {"members": {}, "passages": {}, "organisations": {}}
    for members in scale.members:
        seating = Seating(running, [api], members=members)
        found["members"][members] = await _at(seating, at, scale, say, f"{members} in a room")
    for passages in scale.passages:
        say(f"a playbook of {passages:,} passages ...")
        playbook = await sync_to_async(_playbook)(passages)
        seating = Seating(running, [api], playbook=playbook)
        what = f"{passages:,} passages"
        found["passages"][passages] = await _at(seating, at, scale, say, what)
    for count in scale.tenants:
        async with AsyncExitStack() as stack:
            tokens = [await sync_to_async(tenants.tenant)(scale.passages[0]) for _ in range(count)]
            apis = [await stack.enter_async_context(rest(running[0].http, t)) for t in tokens]
            seating = Seating(running, apis, members=2)
            what = f"{count} organisations"
            found["organisations"][count] = await _at(seating, at, scale, say, what)
    return found


async def _at(seating: Seating, rate: float, scale: Scale, say: Say, what: str) -> Step:
    async with AsyncExitStack() as stack:
        crowd = Crowd(seating, stack)
        # The first searches of a playbook plan the statement, and its pages come into memory.
        await crowd.talk(rate, scale.seconds / 2)
        step = await crowd.talk(rate, scale.seconds)
    say(f"{what}: {step.share:.1%} in time")
    return step


def _playbook(passages: int) -> str:
    return str(tenants.playbook(Organisation.objects.get(slug="demo"), passages).id)


def _rate(step: Step) -> float:
    return step.rate


SAYS = (
    "Open loop: an utterance is sent when it is due, whatever became of those before, and its time"
    " counts from then. Everybody speaks every two seconds at most, eight to a room, each room with"
    f" a facilitator's console. In time means a terminal event within {IN_TIME_MS:.0f} ms that is"
    " no error; a rate is kept when 95 % are, and the saturation point is the greatest kept rate."
    " Each utterance differs from all before, so no embedding of it is remembered."
)


def _rising_table(steps: Sequence[Step]) -> Table:
    kept = kept_rate(steps)
    rows = []
    for number, step in enumerate(steps):
        what = "kept" if step.kept else "not kept"
        if step.rate == kept:
            what = "kept: the saturation point"
        elif step.rate > 2 * kept:
            share = step.goodput / kept if kept else 0.0
            what = f"{OVERLOAD} times as much: {share:.0%} of the peak still in time"
        elif number == len(steps) - 1:
            what = "afterwards, below it again"
        rows.append(step.row(what))
    return Table(rows, "Rising rate, one worker")


def _rising_charts(steps: Sequence[Step]) -> dict[str, Chart]:
    ordered = sorted(steps[:-1], key=_rate)
    asked = [(step.rate, step.rate) for step in ordered]
    in_time = [(step.rate, step.goodput) for step in ordered]
    p50 = [(step.rate, step.quantile("p50")) for step in ordered]
    p95 = [(step.rate, step.quantile("p95")) for step in ordered]
    return {
        "load-goodput.svg": Chart(
            "Answers in time, one worker", "utterances asked for a second", "/s",
            (Series("in time", in_time), Series("asked for", asked)),
        ),
        "load-latency.svg": Chart(
            "Frame to terminal, one worker", "utterances asked for a second", "ms",
            (Series("p50", p50), Series("p95", p95)), bound=IN_TIME_MS,
        ),
    }  # fmt: skip


def _growth_table(name: str, at: float, grown: Mapping[int, Step]) -> Table:
    rows = [step.row(f"{NAMES[name]}: {value:,}") for value, step in grown.items()]
    return Table(rows, f"By {name}, one worker at {at:.1f} utterances a second")


def _growth_chart(name: str, at: float, grown: Mapping[int, Step]) -> Chart:
    series = [
        Series(share, [(float(value), step.quantile(share)) for value, step in grown.items()])
        for share in ("p50", "p95")
    ]
    return Chart(f"Frame to terminal by {name}, at {at:.1f}/s", NAMES[name], "ms", series)


def _workers_table(by_workers: Mapping[int, Step]) -> Table:
    rows = [step.row(f"workers: {count}") for count, step in by_workers.items()]
    return Table(rows, "Saturation by workers, which share these cores with everything else")


NAMES = {
    "members": "members of a room", "passages": "passages of the playbook",
    "organisations": "organisations",
}  # fmt: skip

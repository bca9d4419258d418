"""The objectives as one worker sees them, where no Prometheus does: `/metrics/alerts`.

The same file, bounds and windows. What takes days to see, an error budget of 30 days, is left to
Prometheus.
"""

import threading
import time
from array import array
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.metrics_core import Metric

from coach.ops.objectives.promql import SHORT, count_of
from coach.ops.objectives.reading import (
    Level,
    Objective,
    Objectives,
    Selector,
    Share,
    Threshold,
    Within,
    seconds,
)

EVERY_S = 15.0
KEPT_S = 3600.0 + 2 * EVERY_S

# Cumulative counts: of all events and of bad ones, or of a histogram's buckets by their bounds.
Counts = Mapping[float, float]


@dataclass(frozen=True)
class Alert:
    """An objective that is missed now, for whom, and by how much."""

    name: str
    objective: Objective
    severity: str
    value: float
    bound: float
    labels: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "objective": self.objective.name,
            "title": self.objective.title,
            "severity": self.severity,
            "value": round(self.value, 4),
            "bound": self.bound,
            **self.labels,
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """What had been counted at a moment, packed: an hour of samples stays in memory.

    `keys` name an objective and a key of its counts each; equal ones are one tuple.
    """

    at: float
    keys: tuple[tuple[str, float], ...]
    values: "array[float]"

    @classmethod
    def of(cls, at: float, counts: Mapping[str, Counts], before: "Sample | None") -> "Sample":
        keys = tuple((name, key) for name, found in counts.items() for key in found)
        if before is not None and before.keys == keys:
            keys = before.keys
        return cls(at, keys, array("d", (v for found in counts.values() for v in found.values())))

    def counts(self, objective: str) -> Counts:
        pairs = zip(self.keys, self.values, strict=True)
        return {key: value for (name, key), value in pairs if name == objective}


class Watch:
    """Samples of this worker's metrics over the last hour, and since when each bound is missed.

    May be looked at from any thread.
    """

    def __init__(self, told: Objectives) -> None:
        self._told = told
        self._samples: deque[Sample] = deque()
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()

    def look(self, families: Iterable[Metric], *, at: float | None = None) -> None:
        """Take a sample now and note which bounds it shows to be missed."""
        now = time.monotonic() if at is None else at
        known = list(families)
        counts = {o.name: _counts(o, known) for o in self._told.all if o.target is not None}
        with self._lock:
            before = self._samples[-1] if self._samples else None
            self._samples.append(Sample.of(now, counts, before))
            while self._samples[0].at < now - KEPT_S:
                self._samples.popleft()
            missed = {alert.name for alert in self._missed()}
            self._since = {name: self._since.get(name, now) for name in missed}

    def firing(self, families: Iterable[Metric]) -> list[Alert]:
        """Alerts whose bound has been missed for as long as it takes, and levels as they are."""
        held = {
            objective.alert_name(alert): alert.for_s
            for objective in self._told.all
            for alert in objective.alerts
        }
        with self._lock:
            now = self._samples[-1].at if self._samples else 0.0
            found = [
                alert
                for alert in self._missed()
                if now - self._since.get(alert.name, now) >= held.get(alert.name, 0)
            ]
        return found + list(levels(self._told, families))

    def _missed(self) -> list[Alert]:
        found: list[Alert] = []
        for objective in self._told.all if self._samples else ():
            if objective.target is None:
                continue
            found += [a for each in objective.alerts if (a := self._threshold(objective, each))]
            if objective.burn:
                found += self._burning(objective)
        return found

    def _threshold(self, objective: Objective, alert: Threshold) -> Alert | None:
        value = (
            self._quantile(objective, SHORT)
            if isinstance(objective.measure, Within)
            else self._share(objective, SHORT)
        )
        if value is None or value <= alert.bound:
            return None
        name = objective.alert_name(alert)
        return Alert(name, objective, alert.severity, value, alert.bound)

    def _burning(self, objective: Objective) -> Iterable[Alert]:
        for burn in self._told.burns:
            bound = burn.factor * objective.budget
            shares = [self._share(objective, window) for window in burn.windows]
            worst = min((s for s in shares if s is not None), default=None)
            if worst is not None and None not in shares and worst > bound:
                name = f"{objective.camel}Burning{burn.name}"
                yield Alert(name, objective, burn.severity, worst, round(bound, 6))

    def _share(self, objective: Objective, window: str) -> float | None:
        """The bad share of a window; None with too few events in it."""
        more = self._more(objective, window)
        if isinstance(objective.measure, Within):
            of, bad = more[float("inf")], more[float("inf")] - more[objective.measure.ms]
        else:
            of, bad = more[0.0], more[1.0]
        return bad / of if of >= self._told.least_events else None

    def _quantile(self, objective: Objective, window: str) -> float | None:
        """The target's quantile in ms, within its bucket by proportion; None with too few."""
        more = self._more(objective, window)
        total = more[float("inf")]
        if total < self._told.least_events:
            return None
        rank, before, below = (objective.target or 0) * total, 0.0, 0.0
        for bound in sorted(more):
            if more[bound] >= rank:
                if bound == float("inf"):
                    return before
                inside = more[bound] - below
                return before + (bound - before) * (rank - below) / inside if inside else bound
            before, below = bound, more[bound]
        return before

    def _more(self, objective: Objective, window: str) -> Counts:
        """What was counted within the window, or since the first sample if that is later."""
        last = self._samples[-1]
        since = last.at - seconds(window)
        first = next(sample for sample in self._samples if sample.at >= since)
        began, now = first.counts(objective.name), last.counts(objective.name)
        return {key: value - began.get(key, 0.0) for key, value in now.items()}


def levels(told: Objectives, families: Iterable[Metric]) -> Iterable[Alert]:
    """Gauges beyond their bounds, as they are at this moment."""
    known = list(families)
    for objective in told.all:
        if not isinstance(objective.measure, Level):
            continue
        gauge, by = objective.measure.gauge, objective.measure.by
        for labels, value in _matching(gauge, known):
            for alert in objective.alerts:
                if value > alert.bound:
                    told_of = {name: labels[name] for name in by}
                    yield Alert(
                        objective.alert_name(alert), objective, alert.severity, value,
                        alert.bound, told_of,
                    )  # fmt: skip


def _counts(objective: Objective, families: Iterable[Metric]) -> Counts:
    """Bad under 1 and all under 0; a histogram's buckets under their bounds."""
    match objective.measure:
        case Share(bad=bad, of=of):
            return {0.0: _total(of, families), 1.0: _total(bad, families)}
        case Within(histogram=histogram, ms=ms):
            counts = dict.fromkeys((float(ms), float("inf")), 0.0)
            buckets = Selector(f"{histogram.metric}_bucket", histogram.matchers)
            for labels, value in _matching(buckets, families):
                bound = float(labels["le"])
                counts[bound] = counts.get(bound, 0.0) + value
            counts[float("inf")] = _total([count_of(histogram)], families)
            return counts
        case Level():
            return {}


def _total(selectors: Iterable[Selector], families: Iterable[Metric]) -> float:
    return sum(value for each in selectors for _, value in _matching(each, families))


def _matching(
    selector: Selector, families: Iterable[Metric]
) -> Iterable[tuple[Mapping[str, str], float]]:
    for family in families:
        if selector.metric.startswith(family.name):
            for sample in family.samples:
                if selector.takes(sample.name, sample.labels):
                    yield sample.labels, sample.value

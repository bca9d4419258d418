"""The watch: the objectives as a worker sees them without Prometheus."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from coach.ops.metrics import MS
from coach.ops.objectives.reading import objectives
from coach.ops.objectives.watch import EVERY_S, Watch


class Worker:
    """A worker's metrics, counted by hand, and its watch, whose time is told."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.outcomes = Counter(
            "sidecoach_utterances", "", ["outcome", "reason", "tenant"], registry=self.registry
        )
        self.heads = Histogram(
            "sidecoach_heads_ms", "", ["device"], buckets=MS, registry=self.registry
        )
        self.refused = Counter("sidecoach_frames_refused", "", ["code"], registry=self.registry)
        self.budget = Gauge(
            "sidecoach_budget_used_ratio", "", ["tenant", "period"], registry=self.registry
        )
        self.watch = Watch(objectives())
        self.at = 0.0

    def minutes(self, minutes: float, *, good: int = 0, bad: int = 0, heads_ms: float = 5) -> None:
        """So many minutes, with so many utterances and readings a sample."""
        until = self.at + minutes * 60
        while self.at < until:
            self.at += EVERY_S
            self.outcomes.labels("nudge.done", "", "t").inc(good)
            self.outcomes.labels("error", "late", "t").inc(bad)
            for _ in range(good):
                self.heads.labels("cpu").observe(heads_ms)
            self.watch.look(self.registry.collect(), at=self.at)

    def firing(self) -> set[str]:
        return {alert.name for alert in self.watch.firing(self.registry.collect())}


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_nothing_fires_before_anything_was_seen(worker):
    assert worker.firing() == set()


def test_a_healthy_hour_is_quiet(worker):
    worker.minutes(60, good=10)
    assert worker.firing() == set()


def test_an_alert_waits_as_long_as_it_is_told_to_and_goes_when_the_fault_does(worker):
    worker.minutes(10, good=10)
    worker.minutes(8, good=9, bad=1)
    assert "AvailabilityCritical" not in worker.firing()
    worker.minutes(5, good=9, bad=1)
    assert "AvailabilityCritical" in worker.firing()
    assert "AvailabilityBurningFast" in worker.firing()
    worker.minutes(6, good=10)
    assert "AvailabilityCritical" not in worker.firing()


def test_few_events_are_no_share(worker):
    worker.minutes(5, bad=0, good=0)
    worker.outcomes.labels("error", "late", "t").inc(3)
    worker.minutes(1)
    assert worker.firing() == set()


def test_slow_readings_warn_first_and_alarm_later(worker):
    worker.minutes(8, good=2, heads_ms=220)
    assert worker.firing() == {"HeadsCpuWarning"}
    worker.minutes(16, good=2, heads_ms=280)
    assert worker.firing() == {"HeadsCpuWarning", "HeadsCpuCritical"}


def test_a_storm_of_refused_frames_alarms_nobody(worker):
    worker.refused.labels("rate").inc(100_000)
    worker.minutes(20, good=10)
    worker.refused.labels("rate").inc(100_000)
    assert worker.firing() == set()


def test_a_level_is_told_of_each_organisation(worker):
    worker.budget.labels("rowan", "day").set(0.9)
    worker.budget.labels("birch", "day").set(0.5)
    (alert,) = worker.watch.firing(worker.registry.collect())
    assert alert.as_json() | {"title": ""} == {
        "name": "BudgetUseWarning", "objective": "budget_use", "severity": "warning", "title": "",
        "value": 0.9, "bound": 0.8, "tenant": "rowan", "period": "day",
    }  # fmt: skip

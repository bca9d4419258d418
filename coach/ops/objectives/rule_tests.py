"""Tests of the rules for `promtool`: each alert fires when it must, and not when it need not."""

from typing import Any

from coach.ops.metrics import MS
from coach.ops.objectives import rules
from coach.ops.objectives.reading import (
    Level,
    Objective,
    Objectives,
    Selector,
    Share,
    Within,
    seconds,
)

# Before an alert's own time begins to count, its window must hold enough.
BEFORE_MIN = 10
A_MINUTE = 1000
STORM_MIN = 30
Series = dict[str, str]

# So many requests refused for coming too fast, beside the usual ones, alarm nobody.
STORM = [
    {"series": f'sidecoach_http_ms_count{{status="{status}",view="session-join"}}',
     "values": f"0+{n}x{STORM_MIN}"}
    for status, n in (("429", 100 * A_MINUTE), ("200", A_MINUTE))
] + [
    {"series": series, "values": f"0+{100 * A_MINUTE}x{STORM_MIN}"}
    for series in ("sidecoach_frames_delayed_total",
                   'sidecoach_frames_refused_total{code="pace"}')
] + [
    {"series": 'sidecoach_utterances_total{outcome="nudge.done"}',
     "values": f"0+{A_MINUTE}x{STORM_MIN}"}
]  # fmt: skip


def rule_tests(told: Objectives, *, rule_file: str) -> dict[str, Any]:
    """The test file: for each alert a bad and a good two hours, and for all of them a storm."""
    tests = [test for each in told.all for test in _of(told, each)]
    every = [alert["alert"] for each in told.all for alert in rules.alerts(told, each)]
    tests.append(
        {
            "name": "a storm of 429s alarms nobody",
            "interval": "1m",
            "input_series": STORM,
            "alert_rule_test": [_expected(name, STORM_MIN, None) for name in every],
        }
    )
    return {"rule_files": [rule_file], "evaluation_interval": "1m", "tests": tests}


def _of(told: Objectives, objective: Objective) -> list[dict[str, Any]]:
    found = []
    for alert in rules.alerts(told, objective):
        minutes = BEFORE_MIN + seconds(alert["for"]) // 60
        for fires in (True, False):
            share = _share(told, objective, alert, fires=fires)
            found.append(
                {
                    "name": f"{alert['alert']} {'fires' if fires else 'is silent'}",
                    "interval": "1m",
                    "input_series": _series(objective, share, minutes),
                    "alert_rule_test": [
                        _expected(
                            alert["alert"],
                            minutes,
                            _instance(objective, alert) if fires else None,
                        )
                    ],
                }
            )
    return found


def _expected(name: str, minutes: int, instance: dict[str, Any] | None) -> dict[str, Any]:
    at = {"eval_time": f"{minutes}m", "alertname": name}
    return at | {"exp_alerts": [instance] if instance else []}


def _instance(objective: Objective, alert: rules.Rule) -> dict[str, Any]:
    labels = {**alert["labels"], "objective": objective.name}
    if isinstance(objective.measure, Level):
        labels |= dict.fromkeys(objective.measure.by, "x")
    return {"exp_labels": labels, "exp_annotations": alert["annotations"]}


def _share(told: Objectives, objective: Objective, alert: rules.Rule, *, fires: bool) -> float:
    """A bad share, or a level, clearly beyond the alert's bound or clearly within it."""
    measure, name = objective.measure, alert["alert"]
    thresholds = {objective.alert_name(each): each.bound for each in objective.alerts}
    burns = {f"{objective.camel}Burning{b.name}": b.factor for b in told.burns}
    if isinstance(measure, Level):
        bound = thresholds[name]
        return bound * 1.5 + 1 if fires else bound * 0.5
    if name in burns:
        bound = burns[name] * objective.budget
    elif name in thresholds and isinstance(measure, Share):
        bound = thresholds[name]
    else:
        # Then a quantile lies beyond its bound, and then a budget goes.
        bound = objective.budget
    return bound + (1 - bound) / 2 if fires else bound / 2


def _series(objective: Objective, share: float, minutes: int) -> list[Series]:
    match objective.measure:
        case Level(gauge=gauge, by=by):
            named = Selector(gauge.metric, tuple((label, "=", "x") for label in by))
            return [{"series": str(named), "values": f"{share:g}x{minutes}"}]
        case Share(bad_example=bad, good_example=good):
            return [_counter(str(bad), share, minutes), _counter(str(good), 1 - share, minutes)]
        case Within(histogram=histogram):
            return _histogram(histogram, share, minutes)


def _histogram(histogram: Selector, slow: float, minutes: int) -> list[Series]:
    """Quick events of a millisecond, and slow ones of as long as the last bucket."""
    last = f"{MS[-1]}.0"
    found = []
    for bound in [*(f"{ms}.0" for ms in MS), "+Inf"]:
        labels = histogram.labels(f'le="{bound}"')
        share = 1.0 if bound in (last, "+Inf") else 1 - slow
        found.append(_counter(f"{histogram.metric}_bucket{labels}", share, minutes))
    found.append(_counter(f"{histogram.metric}_count{histogram.labels()}", 1.0, minutes))
    return found


def _counter(series: str, share: float, minutes: int) -> Series:
    return {"series": series, "values": f"0+{share * A_MINUTE:g}x{minutes}"}

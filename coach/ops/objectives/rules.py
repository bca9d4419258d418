"""Prometheus' rules: what it records of each objective, and when somebody is to be told."""

from typing import Any

from coach.ops.objectives import promql
from coach.ops.objectives.reading import Burn, Level, Objective, Objectives, Threshold, Within

Rule = dict[str, Any]


def rules(told: Objectives) -> dict[str, Any]:
    """The rule file, as Prometheus reads it once it is YAML."""
    recording = [rule for each in told.all for rule in _records(told, each)]
    alerting = [rule for each in told.all for rule in alerts(told, each)]
    return {
        "groups": [
            {"name": "sidecoach-records", "interval": "30s", "rules": recording},
            {"name": "sidecoach-alerts", "interval": "30s", "rules": alerting},
        ]
    }


def alerts(told: Objectives, objective: Objective) -> list[Rule]:
    """Every alert of this objective: its thresholds, and how its budget goes where it burns."""
    found = [_threshold(objective, each) for each in objective.alerts]
    if objective.burn:
        found += [_burning(objective, each) for each in told.burns]
        found.append(_budget_low(told, objective))
    return found


def runbook_of(objective: Objective) -> str:
    return f"docs/runbooks/alerts/{objective.name}.md"


def _records(told: Objectives, objective: Objective) -> list[Rule]:
    labels = {"objective": objective.name}
    if isinstance(objective.measure, Level):
        expr = promql.level(objective)
        return [{"record": "sidecoach:level", "expr": expr, "labels": labels}]
    least = told.least_events
    days = f"{told.window_days}d"
    found = [
        {
            "record": f"sidecoach:bad_share:{window}",
            "expr": promql.bad_share(objective, window, least_events=least),
            "labels": labels,
        }
        for window in (*promql.WINDOWS, days)
    ]
    if isinstance(objective.measure, Within):
        expr = promql.quantile_ms(objective, promql.SHORT, least_events=least)
        record = f"sidecoach:quantile_ms:{promql.SHORT}"
        found.append({"record": record, "expr": expr, "labels": labels})
    spent = promql.recorded("bad_share", days, objective)
    left = f"1 - {spent} / {objective.budget}"
    found.append({"record": f"sidecoach:budget_left:{days}", "expr": left, "labels": labels})
    return found


def _threshold(objective: Objective, alert: Threshold) -> Rule:
    match objective.measure:
        case Level():
            measured = f'sidecoach:level{{objective="{objective.name}"}}'
            says = f"above {alert.bound:g}"
        case Within():
            measured = promql.recorded("quantile_ms", promql.SHORT, objective)
            says = f"p{100 * (objective.target or 0):g} over {alert.bound:g} ms"
        case _:
            measured = promql.recorded("bad_share", promql.SHORT, objective)
            says = f"{100 * alert.bound:g} % bad"
    return _alert(
        objective, objective.alert_name(alert), f"{measured} > {alert.bound}", alert.severity,
        alert.for_s, says,
    )  # fmt: skip


def _burning(objective: Objective, burn: Burn) -> Rule:
    bound = round(burn.factor * objective.budget, 6)
    long, short = (promql.recorded("bad_share", w, objective) for w in burn.windows)
    says = f"error budget goes {burn.factor:g} times too fast"
    return _alert(
        objective, f"{objective.camel}Burning{burn.name}",
        f"{long} > {bound} and {short} > {bound}", burn.severity, 0, says,
    )  # fmt: skip


def _budget_low(told: Objectives, objective: Objective) -> Rule:
    left, alert = (
        promql.recorded("budget_left", f"{told.window_days}d", objective),
        told.budget_left,
    )
    says = f"less than {100 * alert.bound:g} % of {told.window_days} days' error budget is left"
    return _alert(
        objective, f"{objective.camel}BudgetLow", f"{left} < {alert.bound}", alert.severity,
        alert.for_s, says,
    )  # fmt: skip


def _alert(
    objective: Objective, name: str, expr: str, severity: str, for_s: int, says: str
) -> Rule:
    return {
        "alert": name,
        "expr": expr,
        "for": f"{for_s // 60}m",
        "labels": {"severity": severity},
        "annotations": {
            "summary": f"{objective.title}: {says}",
            "description": objective.runbook.means,
            "runbook_url": runbook_of(objective),
        },
    }

"""Grafana's dashboards: every objective with its alerts, and what is watched beside them."""

from typing import Any

from coach.ops.objectives import promql
from coach.ops.objectives.reading import Level, Objective, Objectives, Within

Dashboard = dict[str, Any]
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDE, HIGH = 8, 7
COLUMNS = 24


def objectives_board(told: Objectives) -> Dashboard:
    """A panel for each objective, and one for what is left of each error budget."""
    days = f"{told.window_days}d"
    panels = [_panel(each.title, *_query(each), bound=_bound(each)) for each in told.all]
    panels += [
        _panel(
            f"Error budget left, {told.window_days} days: {each.name}",
            promql.recorded("budget_left", days, each), "percentunit", bound=told.budget_left.bound,
        )
        for each in told.all
        if each.burn
    ]  # fmt: skip
    return _dashboard("sidecoach-objectives", "Sidecoach: objectives", panels)


def watch_board(told: Objectives) -> Dashboard:
    """Stages, outcomes, models, organisations."""
    panels = [_panel(each.title, each.expr, each.unit) for each in told.panels]
    return _dashboard("sidecoach-watch", "Sidecoach: at work", panels)


def _query(objective: Objective) -> tuple[str, str]:
    match objective.measure:
        case Level():
            return f'sidecoach:level{{objective="{objective.name}"}}', "short"
        case Within():
            return promql.recorded("quantile_ms", promql.SHORT, objective), "ms"
        case _:
            return promql.recorded("bad_share", "1h", objective), "percentunit"


def _bound(objective: Objective) -> float:
    match objective.measure:
        case Level(most=most):
            return most
        case Within(ms=ms):
            return ms
        case _:
            return objective.budget


def _panel(title: str, expr: str, unit: str, *, bound: float | None = None) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if bound is not None:
        steps.append({"color": "red", "value": bound})
    return {
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "targets": [{"refId": "A", "expr": expr, "datasource": SOURCE}],
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "line" if bound is not None else "off"}},
            },
            "overrides": [],
        },
    }


def _dashboard(uid: str, title: str, panels: list[dict[str, Any]]) -> Dashboard:
    across = COLUMNS // WIDE
    for number, panel in enumerate(panels):
        panel["id"] = number + 1
        panel["gridPos"] = {
            "x": WIDE * (number % across), "y": HIGH * (number // across), "w": WIDE, "h": HIGH,
        }  # fmt: skip
    source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "uid": uid,
        "title": title,
        "tags": ["sidecoach"],
        "schemaVersion": 39,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source]},
        "panels": panels,
    }

"""The objectives, read from `deploy/objectives.yaml` and checked: what is off names its place."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

FILE = settings.BASE_DIR / "deploy" / "objectives.yaml"

_SELECTOR = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?$")
_MATCHER = re.compile(r'\s*([a-z_]+)(=~|!~|!=|=)"([^"]*)"\s*(?:,|$)')
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class ObjectivesUnreadable(ValueError):
    """The file does not fit; the message names the objective and what is wrong with it."""


@dataclass(frozen=True)
class Selector:
    """Series of one metric, as Prometheus selects them."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Selector":
        """Raises ObjectivesUnreadable."""
        found = _SELECTOR.match(text)
        if found is None:
            raise ObjectivesUnreadable(f"{text!r} selects nothing")
        inside = found[2] or ""
        matchers = tuple((m[1], m[2], m[3]) for m in _MATCHER.finditer(inside))
        if _MATCHER.sub("", inside).strip():
            raise ObjectivesUnreadable(f"{text!r} has a matcher that is none")
        return cls(found[1], matchers)

    def __str__(self) -> str:
        return self.metric + self.labels()

    def labels(self, *more: str) -> str:
        """The braces, with these matchers added; nothing where there are none."""
        inside = ",".join([*(f'{k}{op}"{v}"' for k, op, v in self.matchers), *more])
        return f"{{{inside}}}" if inside else ""

    def takes(self, name: str, labels: Mapping[str, str]) -> bool:
        return name == self.metric and all(
            _holds(op, labels.get(key, ""), wanted) for key, op, wanted in self.matchers
        )


def _holds(operator: str, value: str, wanted: str) -> bool:
    if operator in ("=", "!="):
        return (value == wanted) == (operator == "=")
    return (re.fullmatch(wanted, value) is not None) == (operator == "=~")


@dataclass(frozen=True)
class Share:
    """Bad events among all, as counters; the examples are series of which one is bad."""

    bad: tuple[Selector, ...]
    of: tuple[Selector, ...]
    bad_example: Selector
    good_example: Selector


@dataclass(frozen=True)
class Within:
    """Events that a histogram counts, good within `ms`."""

    histogram: Selector
    ms: int


@dataclass(frozen=True)
class Level:
    """A gauge that may be `most`, for each value of the labels `by`."""

    gauge: Selector
    most: float
    by: tuple[str, ...]


@dataclass(frozen=True)
class Threshold:
    """An alert on a bad share, a level or a quantile in ms, held for `for_s` seconds."""

    severity: str
    bound: float
    for_s: int


@dataclass(frozen=True)
class Burn:
    """An alert on error budget that goes `factor` times too fast, over both windows."""

    name: str
    severity: str
    windows: tuple[str, str]
    factor: float


@dataclass(frozen=True)
class Runbook:
    means: str
    look: tuple[str, ...]
    do: tuple[str, ...]


@dataclass(frozen=True)
class Objective:
    name: str
    title: str
    measure: Share | Within | Level
    alerts: tuple[Threshold, ...]
    runbook: Runbook
    target: float | None = None
    burn: bool = False

    @property
    def camel(self) -> str:
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def budget(self) -> float:
        """The share that may be bad; only of an objective with a target."""
        assert self.target is not None
        return round(1 - self.target, 6)

    def alert_name(self, alert: Threshold) -> str:
        return self.camel + alert.severity.capitalize()


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    expr: str


@dataclass(frozen=True)
class Objectives:
    window_days: int
    least_events: int
    burns: tuple[Burn, ...]
    budget_left: Threshold
    all: tuple[Objective, ...]
    panels: tuple[Panel, ...]


def seconds(text: str) -> int:
    """Seconds of a duration such as `5m`."""
    return int(text[:-1]) * _SECONDS[text[-1]]


@cache
def objectives(path: Path = FILE) -> Objectives:
    """What we answer for. Raises ObjectivesUnreadable."""
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    left = told["budget_left"]
    return Objectives(
        window_days=told["window_days"],
        least_events=told["least_events"],
        burns=tuple(
            Burn(b["name"], b["severity"], (b["windows"][0], b["windows"][1]), b["factor"])
            for b in told["burn"]
        ),
        budget_left=Threshold(left["severity"], left["below"], seconds(left["for"])),
        all=tuple(_objective(entry) for entry in told["objectives"]),
        panels=tuple(Panel(**entry) for entry in told["panels"]),
    )


def _objective(entry: Mapping[str, Any]) -> Objective:
    try:
        return Objective(
            name=entry["name"],
            title=entry["title"],
            measure=_measure(entry),
            alerts=tuple(
                Threshold(a["severity"], a.get("above", a.get("over_ms")), seconds(a["for"]))
                for a in entry["alerts"]
            ),
            runbook=Runbook(
                entry["runbook"]["means"],
                tuple(entry["runbook"]["look"]),
                tuple(entry["runbook"]["do"]),
            ),
            target=entry.get("target"),
            burn=entry.get("burn", False),
        )
    except (KeyError, TypeError, ObjectivesUnreadable) as exc:
        raise ObjectivesUnreadable(f"objective {entry.get('name', '?')}: {exc}") from exc


def _measure(entry: Mapping[str, Any]) -> Share | Within | Level:
    if "share" in entry:
        share = entry["share"]
        return Share(
            _selectors(share["bad"]),
            _selectors(share["of"]),
            Selector.parse(share["example"]["bad"]),
            Selector.parse(share["example"]["good"]),
        )
    if "within" in entry:
        return Within(Selector.parse(entry["within"]["histogram"]), entry["within"]["ms"])
    level = entry["level"]
    return Level(Selector.parse(level["gauge"]), level["most"], tuple(level["by"]))


def _selectors(texts: Sequence[str]) -> tuple[Selector, ...]:
    return tuple(map(Selector.parse, texts))

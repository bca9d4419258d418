"""What evaluations found over time: a history here, the last release's figures in the repository.

And a page to read: each figure beside its threshold, the release's and those of before.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from django.conf import settings

from coach.ops.plots import bar, spark

RELEASED = settings.BASE_DIR / "docs" / "evaluation.json"
HISTORY = settings.DATA_DIR / "evaluations.jsonl"
# Smaller differences than this are nobody's doing.
NOTICED = 0.005
RUNS_SHOWN = 20

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ccc; }
td.number { font-variant-numeric: tabular-nums; text-align: right; }
.bad { color: #a00000; font-weight: 600; }
.good { color: #006040; }
@media (prefers-color-scheme: dark) {
  body { background: #14181a; color: #e6e6e6; } th, td { border-color: #444; }
  .bad { color: #ff8a80; } .good { color: #7fd6b4; } svg { filter: invert(1) hue-rotate(180deg); }
}
"""


@dataclass(frozen=True)
class Figure:
    """One number of a report, its threshold, and what it was."""

    name: str
    value: float
    least: float | None
    released: float | None
    before: tuple[float, ...]

    @property
    def missed(self) -> bool:
        return self.least is not None and self.value < self.least

    @property
    def change(self) -> float | None:
        """Against the last release; None where that did not tell it."""
        return None if self.released is None else round(self.value - self.released, 4)


def numbers(report: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Every number of a report by its dotted name; times are the machine's and left out."""
    found: dict[str, float] = {}
    for key, value in report.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and not _is_time(key):
            found[f"{prefix}{key}"] = float(value)
    return found


def _is_time(name: str) -> bool:
    return name.endswith("_ms") or name in ("seconds", "rate")


class Record:
    """Where runs are written down, and the last release's figures."""

    def __init__(self, history: Path = HISTORY, released: Path = RELEASED) -> None:
        self._history = history
        self._released = released

    def compare(
        self, suite: str, report: Mapping[str, Any], least: Mapping[str, float]
    ) -> list[Figure]:
        """The report's figures beside those of the release and of the runs before."""
        released = self.released().get(suite, {})
        runs = [entry["figures"] for entry in self._runs() if entry["suite"] == suite]
        return [
            Figure(
                name, value, least.get(name), released.get(name),
                tuple(run[name] for run in runs[-RUNS_SHOWN:] if name in run),
            )
            for name, value in numbers(report).items()
        ]  # fmt: skip

    def remember(self, suite: str, report: Mapping[str, Any], *, at: datetime) -> None:
        """Add a run to the history."""
        self._history.parent.mkdir(parents=True, exist_ok=True)
        entry = {"suite": suite, "at": at.isoformat(), "figures": numbers(report)}
        with self._history.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def release(self, suite: str, report: Mapping[str, Any]) -> None:
        """Make these the figures that later runs are held against."""
        known = self.released() | {suite: numbers(report)}
        text = json.dumps(dict(sorted(known.items())), indent=1)
        self._released.write_text(text + "\n", encoding="utf-8")

    def released(self) -> dict[str, dict[str, float]]:
        """The last release's figures by suite."""
        if not self._released.exists():
            return {}
        found: dict[str, dict[str, float]] = json.loads(self._released.read_text(encoding="utf-8"))
        return found

    def _runs(self) -> list[dict[str, Any]]:
        if not self._history.exists():
            return []
        lines = self._history.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


def changes(figures: Sequence[Figure]) -> list[str]:
    """What differs from the last release, in words."""
    return [
        f"{each.name}: {each.released:g} -> {each.value:g}"
        for each in figures
        if each.change is not None and abs(each.change) >= NOTICED
    ]


def page(found: Mapping[str, Sequence[Figure]], *, at: datetime, left_out: str = "") -> str:
    """The figures of one or several suites as one HTML file that needs nothing else."""
    title = f"Evaluation: {', '.join(found)}"
    missed = sum(each.missed for figures in found.values() for each in figures)
    verdict = (
        f'<p class="bad">{missed} below threshold.</p>'
        if missed
        else '<p class="good">No threshold is missed.</p>'
    )
    contents = "".join(_content(suite, figures) for suite, figures in found.items())
    sections = "".join(_section(suite, figures) for suite, figures in found.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{escape(title)}</h1>"
        f"<p>{at:%Y-%m-%d %H:%M} UTC.</p>{verdict}<ul>{contents}</ul>"
        f"{f'<p>{escape(left_out)}</p>' if left_out else ''}{sections}</html>\n"
    )


def _content(suite: str, figures: Sequence[Figure]) -> str:
    missed = sum(each.missed for each in figures)
    says = f"{len(figures)} figures, {missed} below threshold" if missed else "in order"
    return f'<li><a href="#{escape(suite)}">{escape(suite)}</a>: {says}</li>'


def _section(suite: str, figures: Sequence[Figure]) -> str:
    rows = "\n".join(_row(each) for each in figures)
    changed = "".join(f"<li>{escape(change)}</li>" for change in changes(figures))
    since = f"<p>Since the last release:</p><ul>{changed}</ul>" if changed else ""
    return (
        f'<h2 id="{escape(suite)}">{escape(suite)}</h2>{since}'
        "<table><thead><tr><th>figure<th>now<th>at least<th>last release<th>change"
        f"<th>between 0 and 1<th>runs before</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(each: Figure) -> str:
    state = ' class="number bad"' if each.missed else ' class="number"'
    change = "" if each.change is None or abs(each.change) < NOTICED else f"{each.change:+.3f}"
    return (
        f'<tr><td>{escape(each.name)}<td{state}>{each.value:g}<td class="number">'
        f'{"" if each.least is None else f"{each.least:g}"}<td class="number">'
        f'{"" if each.released is None else f"{each.released:g}"}<td class="number">{change}'
        f"<td>{_bar(each)}<td>{spark([*each.before, each.value], bound=each.least)}</tr>"
    )


def _bar(each: Figure) -> str:
    """Nothing for a figure that is no share."""
    return bar(each.value, bound=each.least, before=each.released) if 0 <= each.value <= 1 else ""

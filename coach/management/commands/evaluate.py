"""Measure quality on labelled data, and fail when a threshold is missed."""

import asyncio
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from coach.ops import evaluations
from coach.ops.evaluations import Figure


def _classifiers(data: Path) -> dict[str, Any]:
    from safety.evaluation import classifiers

    return classifiers(data)


def _redaction(data: Path) -> dict[str, Any]:
    from safety.masked import redaction

    return redaction(data)


def _redteam(data: Path) -> dict[str, Any]:
    from safety.evaluation import redteam
    from safety.jsonlines import read

    files = sorted(data.glob("*.jsonl")) if data.is_dir() else [data]
    return redteam(case for path in files for case in read(path, {"id": str}))


def _alarms(data: Path) -> dict[str, Any]:
    from safety.alarms import alarms
    from safety.jsonlines import read

    ordinary = [row["text"] for row in read(data / "graded.jsonl", {"text": str})]
    ordinary += [row["text"] for row in read(data / "rehearsal.jsonl", {"text": str})]
    for entry in read(data / "playbook.jsonl", {"tags": dict}):
        ordinary += entry["tags"].get("triggers", [])
    cases = OWN_DATA["redteam"]
    return alarms(
        ordinary,
        read(cases / "guard.jsonl", {"id": str}),
        {
            path.stem.replace("_", " "): read(path, {"kind": str, "text": str})
            for path in sorted((cases / "unseen").glob("*.jsonl"))
        },
    )


def _gate(_data: Path) -> dict[str, Any]:
    from safety.evaluation import hostile_outputs

    return hostile_outputs()


def _retrieval(data: Path) -> dict[str, Any]:
    from rag.evaluation import graded, retrieval

    utterances = data / "graded.jsonl"
    if utterances.is_file():
        return graded(data / "playbook.jsonl", utterances)
    return retrieval(data)


def _nudges(data: Path) -> dict[str, Any]:
    """On a server of our own, with the model that the environment names, if it names one."""
    from coach.demo.load import load
    from coach.live import server
    from coach.ops.nudge_quality import ask_all, figures
    from safety.jsonlines import read

    rows = list(read(data / "graded.jsonl", {"text": str, "relevant": dict}))
    token = load().token or ""
    log = settings.DATA_DIR / "evaluate.log"
    with server.running(log=log, environment=server.UNHURRIED) as own:
        answered = asyncio.run(ask_all(rows, own.ws, token))
    return figures(answered)


# Where a suite looks without `--data`.
OWN_DATA = {
    "alarms": settings.BASE_DIR / "coach" / "demo",
    "nudges": settings.BASE_DIR / "coach" / "demo",
    "retrieval": settings.BASE_DIR / "coach" / "demo",
    "redteam": settings.BASE_DIR / "safety" / "redteam",
    # Its outputs are made, by every way of hiding there is.
    "gate": settings.BASE_DIR / "safety",
}
ALL = "all"
SUITES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "alarms": _alarms,
    "classifiers": _classifiers,
    "gate": _gate,
    "nudges": _nudges,
    "redaction": _redaction,
    "redteam": _redteam,
    "retrieval": _retrieval,
}


class Command(BaseCommand):
    help = (
        "Run an evaluation suite, or `all` that have data here; exits 1 when a threshold in"
        " pyproject.toml is missed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("suite", choices=[*sorted(SUITES), ALL])
        parser.add_argument("--data", type=Path, help="default: the suite's own cases")
        parser.add_argument("--report", type=Path, help="write the figures as JSON")
        parser.add_argument("--html", type=Path, help="write a page to read, with runs before")
        parser.add_argument(
            "--release", action="store_true", help="hold later runs against these figures"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        asked, data = options["suite"], options["data"]
        if asked == ALL and data is not None:
            raise CommandError("all run on data of their own; name the suite that is to use --data")
        suites = [s for s in SUITES if s in OWN_DATA] if asked == ALL else [asked]
        found: dict[str, list[Figure]] = {}
        reports: dict[str, dict[str, Any]] = {}
        missed: list[str] = []
        for suite in suites:
            self.stderr.write(f"evaluate {suite} ...")
            reports[suite] = SUITES[suite](_where(suite, data))
            found[suite] = self.keep(suite, reports[suite], release=options["release"])
            missed += misses(reports[suite], thresholds(suite))
        told = reports if asked == ALL else reports[asked]
        text = json.dumps(told, indent=2, default=str)
        if options["report"]:
            options["report"].write_text(text + "\n", encoding="utf-8")
        if options["html"]:
            others = [s for s in SUITES if s not in OWN_DATA] if asked == ALL else []
            left_out = f"Not run, as their data is not ours: {', '.join(others)}." if others else ""
            page = evaluations.page(found, at=timezone.now(), left_out=left_out)
            options["html"].write_text(page, encoding="utf-8")
        self.stdout.write(text)
        if missed:
            raise CommandError("below threshold: " + "; ".join(missed))

    def keep(self, suite: str, report: dict[str, Any], *, release: bool) -> list[Figure]:
        """Into the history, and beside the last release."""
        record = evaluations.Record()
        figures = record.compare(suite, report, thresholds(suite))
        record.remember(suite, report, at=timezone.now())
        for change in evaluations.changes(figures):
            self.stderr.write(f"{suite}, since the last release: {change}")
        if release:
            record.release(suite, report)
        return figures


def _where(suite: str, data: Path | None) -> Path:
    """Raises CommandError when there is nothing to evaluate."""
    chosen = data or OWN_DATA.get(suite)
    if chosen is None:
        raise CommandError(f"{suite} needs --data")
    if not chosen.exists():
        raise CommandError(f"{chosen} does not exist")
    return chosen


def thresholds(suite: str) -> dict[str, float]:
    """The least each named figure may be, from `[tool.sidecoach.thresholds.<suite>]`."""
    with (settings.BASE_DIR / "pyproject.toml").open("rb") as file:
        tool = tomllib.load(file)["tool"]
    return dict(tool.get("sidecoach", {}).get("thresholds", {}).get(suite, {}))


def misses(report: dict[str, Any], least: dict[str, float]) -> list[str]:
    """Each dotted figure of the report that is absent or too low."""
    found = []
    for name, bound in least.items():
        value: Any = report
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if not isinstance(value, int | float) or value < bound:
            found.append(f"{name} is {value}, at least {bound} is needed")
    return found

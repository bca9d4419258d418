"""Every file that is made of the objectives, and what is in it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from coach.ops.objectives import dashboards, pages
from coach.ops.objectives.reading import Objectives
from coach.ops.objectives.rule_tests import rule_tests
from coach.ops.objectives.rules import rules

RULES = Path("deploy/prometheus/rules.yaml")
RULE_TESTS = Path("deploy/prometheus/rules_test.yaml")
BOARDS = Path("deploy/grafana/dashboards")
RUNBOOKS = Path("docs/runbooks")
HEAD = "# Made by `manage.py objectives` from deploy/objectives.yaml; change it there.\n"


def written(told: Objectives, root: Path) -> Mapping[Path, str]:
    """The files by their places under `root`; the index also lists the pages that are there."""
    found = {
        RULES: _yaml(rules(told)),
        RULE_TESTS: _yaml(rule_tests(told, rule_file=RULES.name)),
        BOARDS / "objectives.json": _json(dashboards.objectives_board(told)),
        BOARDS / "at-work.json": _json(dashboards.watch_board(told)),
        RUNBOOKS / "README.md": pages.index(told, root / RUNBOOKS),
    }
    for each in told.all:
        found[RUNBOOKS / "alerts" / f"{each.name}.md"] = pages.page(told, each)
    return found


def _yaml(document: Any) -> str:
    return HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _json(document: Any) -> str:
    return json.dumps(document, indent=1) + "\n"

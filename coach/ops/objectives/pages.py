"""The incident pages: what each alert means, where to look, what to do; and their index."""

from pathlib import Path

from coach.ops.objectives import rules
from coach.ops.objectives.reading import Objective, Objectives

MADE = "<!-- Made by `manage.py objectives` from deploy/objectives.yaml; change it there. -->"


def page(told: Objectives, objective: Objective) -> str:
    """One objective's page, with every alert it has."""
    lines = [
        MADE,
        f"# {objective.title}",
        "",
        f"Objective `{objective.name}`: {_promise(told, objective)}",
        "",
        "| alert | severity | when |",
        "| --- | --- | --- |",
    ]
    for alert in rules.alerts(told, objective):
        when = alert["annotations"]["summary"].removeprefix(f"{objective.title}: ")
        held = "" if alert["for"] == "0m" else f", for {alert['for']}"
        lines.append(f"| `{alert['alert']}` | {alert['labels']['severity']} | {when}{held} |")
    runbook = objective.runbook
    lines += ["", "## What it means", "", runbook.means, "", "## Where to look", ""]
    lines += [f"- {each}" for each in runbook.look]
    lines += ["", "## What to do", ""]
    lines += [f"- {each}" for each in runbook.do]
    return "\n".join(lines) + "\n"


def index(told: Objectives, folder: Path) -> str:
    """The list of every runbook: those written by hand, and the incident pages by alert."""
    lines = [MADE, "# Runbooks", "", "## Procedures", ""]
    for path in sorted(folder.glob("*.md")):
        if path.name != "README.md":
            title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
            lines.append(f"- [{title}]({path.name})")
    lines += ["", "## By alert", "", "| alert | severity | page |", "| --- | --- | --- |"]
    for objective in told.all:
        for alert in rules.alerts(told, objective):
            link = f"[{objective.title}](alerts/{objective.name}.md)"
            lines.append(f"| `{alert['alert']}` | {alert['labels']['severity']} | {link} |")
    return "\n".join(lines) + "\n"


def _promise(told: Objectives, objective: Objective) -> str:
    if objective.target is None:
        return "a level that stays below its bound."
    share = f"{100 * objective.target:g} % over {told.window_days} days"
    return f"{share}; {100 * objective.budget:g} % may be bad."

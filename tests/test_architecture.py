"""Rules for code that is not written yet."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "consent": {"consent"},
    "safety": {"safety"},
    "rag": {"rag", "safety"},
    "coach": {"coach", "rag", "safety", "consent"},
}
MODULES = sorted(p for app in MAY_IMPORT for p in (ROOT / app).rglob("*.py"))
HEAVY = {"torch", "spacy", "transformers", "sentence_transformers", "presidio_analyzer"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_arrows(path):
    app = path.relative_to(ROOT).parts[0]
    assert imported(path) & MAY_IMPORT.keys() <= MAY_IMPORT[app]


def test_importing_the_whole_application_loads_no_heavy_library():
    program = (
        "import django, sys; django.setup(); import coach.asgi, coach.urls;"
        f"print(sorted({HEAVY!r} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_a_model_is_called_from_the_gateway_alone():
    callers = {p.relative_to(ROOT).as_posix() for p in MODULES if "openai" in imported(p)}
    # The bench calls an upstream of its own, to know what the gateway adds.
    inside = {"coach/gateway/attempt.py", "coach/gateway/clients.py"}
    assert callers == {*inside, "coach/bench/gateway.py"}


def test_nothing_names_a_machine_or_a_package_index():
    index = "|".join(
        ("--index" + "-url", "--extra-index" + "-url", "py" + "pi.org", "pythonho" + "sted")
    )
    place = re.compile(rf"{index}|(?<![\w.])/(?:wo" + r"rk|fa" + r"rm|ro" + r"ot)/")
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {m.group()}" for m in place.finditer(text)]
    assert found == []

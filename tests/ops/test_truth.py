"""The truth table: every claim of the README is shown by something that exists."""

import re

import pytest
from django.conf import settings
from django.core.management import get_commands

ROOT = settings.BASE_DIR
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "truth.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| claim", "| ---"))
]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def plain(text: str) -> str:
    return re.sub(r"[*`\[\]]|\(docs[^)]*\)", "", text)


def test_every_promise_of_the_readme_has_a_row():
    promises = re.findall(r"^- (\*\*.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    claims = {plain(claim) for claim, _ in ROWS}
    assert len(promises) >= 5
    assert {plain(promise) for promise in promises} <= claims


@pytest.mark.parametrize(("claim", "shown"), ROWS, ids=[row[0][:40] for row in ROWS])
def test_what_shows_a_claim_exists(claim, shown):
    named = re.findall(r"`([^`]+)`", shown)
    assert named, claim
    for name in named:
        if name.startswith("manage.py "):
            assert name.split()[1] in get_commands()
        elif name.startswith("make "):
            assert name.split()[1] in TARGETS
        else:
            assert (ROOT / name).is_file(), name
            if name.startswith("tests/"):
                assert "def test_" in (ROOT / name).read_text()


@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "docs").glob("*.md")))
def test_links_and_named_files_of_a_page_exist(page):
    text = (ROOT / "docs" / page).read_text()
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in link:
            assert (ROOT / "docs" / link).exists(), link
    for name in re.findall(r"`((?:tests|coach|consent|safety|rag|deploy)/[\w/.-]+\.\w+)", text):
        assert (ROOT / name).exists(), name

import io
import json
import uuid

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError


@pytest.fixture(scope="module")
def shop(database, embedder, tmp_path_factory):
    """Arguments that name a playbook of an organisation of its own, imported and published."""
    path = tmp_path_factory.mktemp("shop") / "cards.jsonl"
    rows = [
        {"id": "sleep", "title": "Before the night", "body": "Which thought keeps you awake?"},
        {"id": "plan", "title": "One step", "body": "What is the smallest step of your plan?"},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    where = ("--name", "Shop", "--organisation", str(uuid.uuid4()))
    run("playbook", "import", str(path), *where, "--publish")
    return where


def run(*arguments):
    said = io.StringIO()
    call_command(*arguments, stdout=said, stderr=io.StringIO())
    return said.getvalue()


def retrieve(shop, scratch, line, *options):
    asked = scratch / "asked.jsonl"
    asked.write_text(line)
    where = ("--playbook", "shop", "--organisation", shop[3])
    return [json.loads(line) for line in run("retrieve", str(asked), *where, *options).splitlines()]


@pytest.mark.parametrize("mode", ["lexical", "dense", "hybrid"])
def test_retrieve_answers_each_line(shop, scratch, mode):
    lines = '{"id": 1, "text": "awake at night"}\n\n{"id": "b", "text": "a small step"}\n'
    answers = retrieve(shop, scratch, lines, "--mode", mode, "--limit", "1")
    assert [answer["id"] for answer in answers] == [1, "b"]
    assert [answer["results"][0]["entry"] for answer in answers] == ["sleep", "plan"]
    assert set(answers[0]["results"][0]) == {"entry", "passage", "rank", "score"}


def test_retrieve_explains_when_asked(shop, scratch):
    (answer,) = retrieve(shop, scratch, '{"id": 1, "text": "one step"}', "--explain")
    assert answer["results"][0]["why"]["exact"] == "title"


@pytest.mark.parametrize("line", ["{", "[]", '{"id": 1}', '{"id": 1, "text": 7}'])
def test_retrieve_names_a_bad_line(shop, scratch, line):
    with pytest.raises(CommandError, match="line 1"):
        retrieve(shop, scratch, line)


def test_a_playbook_goes_out_and_comes_back(shop, scratch):
    path = scratch / "out.jsonl"
    run("playbook", "export", *shop, "--file", str(path))
    report = json.loads(run("playbook", "import", str(path), *shop))
    assert (report["version"], report["reused"], report["published"]) == (2, 2, False)
    assert run("playbook", "diff", *shop) == ""
    assert run("playbook", "publish", *shop) == "Shop 2 is live\n"
    assert run("playbook", "rollback", *shop) == "Shop 1 is live\n"


def test_a_dry_run_makes_no_version(shop, scratch):
    path = scratch / "more.csv"
    path.write_text("id,body\nx,Something else.\n")
    report = json.loads(run("playbook", "import", str(path), *shop, "--dry-run"))
    assert (report["entries"], report["version"]) == (1, None)
    with pytest.raises(CommandError):
        run("playbook", "publish", *shop, "--version-number", "99")


def test_an_unknown_playbook_is_a_clear_line(scratch):
    with pytest.raises(CommandError, match="no playbook"):
        run("playbook", "export", "--name", "none", "--organisation", str(uuid.uuid4()))
    with pytest.raises(CommandError, match="no playbook"):
        run("retrieve", "--playbook", "none", "--organisation", str(uuid.uuid4()))


def test_an_unreadable_file_is_a_clear_line(scratch):
    with pytest.raises(CommandError, match="one of"):
        run("playbook", "import", str(scratch / "cards.xyz"), "--name", "x")

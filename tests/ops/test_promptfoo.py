"""promptfoo's configuration: its provider and its assertions as they are, on a real server."""

import importlib.util
import json
import os
from types import ModuleType
from typing import Any

import pytest
import yaml
from django.conf import settings

from coach.demo.load import HERE

FOLDER = settings.BASE_DIR / "deploy" / "evaluation"
CONFIG = yaml.safe_load((FOLDER / "promptfooconfig.yaml").read_text(encoding="utf-8"))
ASSERTS = CONFIG["defaultTest"]["assert"]
EVERY = 11
# What its documentation allows, of what is used here.
TOP = {"description", "prompts", "providers", "evaluateOptions", "defaultTest", "tests"}
OF_AN_ASSERT = {"type", "value", "threshold", "weight", "metric"}


@pytest.fixture(scope="module")
def provider() -> ModuleType:
    """The file that the configuration names, as promptfoo loads it: by its path."""
    name = CONFIG["providers"][0]["id"].removeprefix("file://")
    spec = importlib.util.spec_from_file_location("promptfoo_provider", FOLDER / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def holds(check: dict[str, Any], output: dict[str, Any], variables: dict[str, str]) -> bool:
    """One `python` assertion, given what promptfoo gives it."""
    return bool(eval(check["value"], {"output": output, "context": {"vars": variables}}))


def test_the_file_says_only_what_promptfoo_reads():
    assert CONFIG.keys() == TOP
    for check in ASSERTS:
        assert check.keys() <= OF_AN_ASSERT
        assert check["type"] in ("python", "latency")
        assert ("threshold" in check) == (check["type"] == "latency")
    for test in CONFIG["tests"]:
        assert test.keys() == {"vars"}
        # A list would be taken for several tests.
        assert all(isinstance(value, str) for value in test["vars"].values())


def test_a_test_fails_by_any_assertion_but_the_one_that_is_only_counted():
    weights = {check.get("metric", check["type"]): check.get("weight", 1) for check in ASSERTS}
    whole, least = sum(weights.values()), CONFIG["defaultTest"]["threshold"]
    for name, weight in weights.items():
        assert ((whole - weight) / whole >= least) == (name == "relevant")


def test_the_utterances_are_every_eleventh_of_ours_with_the_cards_they_were_graded_for():
    titles = {}
    for line in (HERE / "playbook.jsonl").read_text(encoding="utf-8").splitlines():
        card = json.loads(line)
        titles[card["id"]] = card["title"]
    graded = [
        json.loads(line)
        for line in (HERE / "graded.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [test["vars"] for test in CONFIG["tests"]] == [
        {"utterance": row["text"], "fitting": "|".join(titles[key] for key in row["relevant"])}
        for row in [row for row in graded if "before" not in row][::EVERY]
    ]


@pytest.mark.timeout(180)
def test_every_utterance_gets_what_the_file_asks_for(demo, real_server, provider, monkeypatch):
    monkeypatch.setenv("SIDECOACH_URL", real_server.http)
    monkeypatch.setenv("SIDECOACH_CODE", demo.session.join_code)
    failed, called, relevant = [], [], 0
    for test in CONFIG["tests"]:
        said = test["vars"]
        prompt = CONFIG["prompts"][0].replace("{{utterance}}", said["utterance"])
        answer = provider.call_api(prompt, CONFIG["providers"][0], {"vars": said})
        assert "error" not in answer, answer
        json.dumps(answer)
        if answer["output"]["type"] == "escalated":
            called.append(said["utterance"])
            continue
        for check in (check for check in ASSERTS if check["type"] == "python"):
            kept = holds(check, answer["output"], said)
            if check["metric"] == "relevant":
                relevant += kept
            # How long it takes hangs on what else this machine does meanwhile.
            elif not kept and check["metric"] != "in time":
                failed.append((check["metric"], said["utterance"], answer["output"]["type"]))
    assert failed == []
    # One ordinary sentence in some fifty calls a person for nothing (docs/safety.md); two of
    # these do.
    assert len(called) <= 2, called
    assert relevant >= 1


def test_a_nudge_that_rests_on_nothing_fails_the_assertions():
    made_up = {
        "type": "nudge.done", "text": "One. Two. Three.", "source": "playbook", "titles": [],
        "quotes": [], "total_ms": 900,
    }  # fmt: skip
    said = {"utterance": "x", "fitting": "A|B"}
    kept = {c["metric"] for c in ASSERTS if c["type"] == "python" and holds(c, made_up, said)}
    assert kept == {"nudged"}


def test_a_server_that_is_not_there_is_an_error_and_no_answer(provider, monkeypatch):
    monkeypatch.setenv("SIDECOACH_URL", "http://127.0.0.1:9")
    answer = provider.call_api("x", CONFIG["providers"][0], {})
    assert answer.keys() == {"error"}
    assert os.environ["SIDECOACH_URL"] not in answer["error"]

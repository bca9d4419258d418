"""Objectives: one file; rules, their tests, dashboards and pages that keep in step with it."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from django.conf import settings
from prometheus_client import REGISTRY

import coach.ops.metrics  # noqa: F401  the metrics are there once this is imported
from coach.ops.metrics import MS
from coach.ops.objectives import promql, rules
from coach.ops.objectives.reading import (
    Level,
    ObjectivesUnreadable,
    Selector,
    Share,
    Within,
    objectives,
)
from coach.ops.objectives.written import BOARDS, RULE_TESTS, RULES, RUNBOOKS, written

ROOT = settings.BASE_DIR
TOLD = objectives()
NAME = re.compile(r"\b(sidecoach[:_][a-z0-9_:]+)")
# What the product's brief asks to be answered for, and the alert that says when it is missed.
ASKED = {
    "nudge_p95": None, "nudge_p99": None, "first_words": None,
    "heads_cpu": ("critical", 250, 600), "heads_gpu": ("critical", 250, 600),
    "schema_valid": ("critical", 0.005, 900), "fallback": ("warning", 0.1, 600),
    "availability": ("critical", 0.01, 600), "routing": None, "small_models": None,
    "escalation": ("warning", 0.25, 900), "semantic_hits": None, "errors": None,
    "cost_rise": ("warning", 0.2, 600), "budget_use": ("warning", 0.8, 300),
    "cost_per_thousand": ("warning", 5, 1800),
}  # fmt: skip


def series_there_are() -> set[str]:
    """Every series name that this program can tell, and every one that its rules record."""
    there = {"sidecoach:level"}
    for family in REGISTRY.collect():
        if family.name.startswith("sidecoach"):
            suffixes = {
                "counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum"),
            }[family.type]  # fmt: skip
            there |= {family.name + suffix for suffix in suffixes}
    for group in rules.rules(TOLD)["groups"]:
        there |= {rule["record"] for rule in group["rules"] if "record" in rule}
    return there


def labels_there_are() -> dict[str, set[str]]:
    found = {}
    for collector in set(REGISTRY._collector_to_names):
        for name in REGISTRY._collector_to_names[collector]:
            found[name] = set(getattr(collector, "_labelnames", ())) | {"le"}
    return found


def queries() -> list[str]:
    found = [rule["expr"] for group in rules.rules(TOLD)["groups"] for rule in group["rules"]]
    for path in sorted((ROOT / BOARDS).glob("*.json")):
        board = json.loads(path.read_text())
        found += [t["expr"] for panel in board["panels"] for t in panel["targets"]]
    return found


def test_every_file_made_of_the_objectives_is_in_step_with_them():
    for place, text in written(TOLD, ROOT).items():
        assert (ROOT / place).read_text(encoding="utf-8") == text, place


def test_all_that_was_asked_for_is_an_objective_with_the_alert_asked_for():
    known = {objective.name: objective for objective in TOLD.all}
    assert ASKED.keys() <= known.keys()
    for name, alert in ASKED.items():
        if alert is not None:
            found = {(a.severity, a.bound, a.for_s) for a in known[name].alerts}
            assert alert in found, name
    assert ("warning", 200, 300) in {
        (a.severity, a.bound, a.for_s) for a in known["heads_cpu"].alerts
    }


def test_rules_and_dashboards_name_only_series_that_exist():
    there = series_there_are()
    for query in queries():
        assert set(NAME.findall(query)) <= there, query


def test_selectors_name_only_labels_that_their_metric_has():
    labels = labels_there_are()
    for objective in TOLD.all:
        measure = objective.measure
        match measure:
            case Share():
                selectors = [*measure.bad, *measure.of, measure.bad_example, measure.good_example]
            case Within():
                selectors = [promql.count_of(measure.histogram)]
            case Level():
                selectors = [measure.gauge]
        for each in selectors:
            assert {key for key, _, _ in each.matchers} <= labels[each.metric], str(each)


def test_every_bound_in_milliseconds_is_the_edge_of_a_bucket():
    for objective in TOLD.all:
        if isinstance(objective.measure, Within):
            assert {objective.measure.ms, *(a.bound for a in objective.alerts)} <= set(MS)


def test_every_objective_has_a_panel_and_every_alert_a_page_that_names_it():
    board = json.loads((ROOT / BOARDS / "objectives.json").read_text())
    titles = {panel["title"] for panel in board["panels"]}
    index = (ROOT / RUNBOOKS / "README.md").read_text()
    for objective in TOLD.all:
        assert objective.title in titles
        for alert in rules.alerts(TOLD, objective):
            page = (ROOT / alert["annotations"]["runbook_url"]).read_text()
            assert f"`{alert['alert']}`" in page
            assert f"`{alert['alert']}`" in index


def test_links_of_the_runbooks_lead_somewhere():
    for path in (ROOT / RUNBOOKS).rglob("*.md"):
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in link:
                assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_a_file_that_does_not_fit_says_where(scratch):
    path = scratch / "objectives.yaml"
    told = yaml.safe_load((ROOT / "deploy" / "objectives.yaml").read_text())
    told["objectives"][0]["share"]["bad"] = ["sidecoach_utterances_total{outcome=error}"]
    path.write_text(yaml.safe_dump(told))
    with pytest.raises(ObjectivesUnreadable, match="availability"):
        objectives(path)


@pytest.mark.parametrize(
    ("selector", "labels", "taken"),
    [
        ('m{a="x"}', {"a": "x"}, True),
        ('m{a="x"}', {"a": "y"}, False),
        ('m{a!="x"}', {"a": "y"}, True),
        ('m{a!="x"}', {}, True),
        ('m{a=~"x|y"}', {"a": "y"}, True),
        ('m{a=~"x|y"}', {"a": "xy"}, False),
        ('m{a!~"5..",b="z"}', {"a": "200", "b": "z"}, True),
        ("m", {"a": "x"}, True),
    ],
)
def test_a_selector_takes_what_prometheus_would(selector, labels, taken):
    assert Selector.parse(selector).takes("m", labels) is taken
    assert str(Selector.parse(selector)) == selector


promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="make .engines/prometheus")


@pytest.mark.engines
@promtool
def test_promtool_accepts_the_rules_and_every_alert_fires_in_its_test():
    for arguments in (["check", "rules", str(RULES)], ["test", "rules", str(RULE_TESTS)]):
        done = subprocess.run(
            ["promtool", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    tested = yaml.safe_load((ROOT / RULE_TESTS).read_text())["tests"]
    fired = {
        case["alertname"]
        for test in tested
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert fired == {a["alert"] for each in TOLD.all for a in rules.alerts(TOLD, each)}


@pytest.mark.engines
@promtool
def test_a_rule_that_never_fires_fails_its_test(scratch):
    """The tests of the rules can fail: a bound that nothing reaches is found out."""
    told = yaml.safe_load((ROOT / RULES).read_text())
    for rule in told["groups"][1]["rules"]:
        if rule["alert"] == "FallbackWarning":
            rule["expr"] = rule["expr"].replace("> 0.1", "> 1.1")
    (scratch / RULES.name).write_text(yaml.safe_dump(told))
    shutil.copy(ROOT / RULE_TESTS, scratch)
    done = subprocess.run(
        ["promtool", "test", "rules", RULE_TESTS.name], cwd=scratch, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "FallbackWarning" in done.stdout + done.stderr

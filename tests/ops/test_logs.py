"""Logs: what could be speech does not get through, whoever logs it."""

import json
import os
import subprocess
import sys

import pytest

from coach.ops.logs import NOT_LOGGED, speechless

PROGRAM = """
import django, logging
django.setup()
import structlog
ours, theirs = structlog.get_logger("coach.test"), logging.getLogger("somebody.else")
ours.debug("an.event", text="secret", seen="secret words", route="small", ms=3, reason="two words")
ours.info("another", names=["one", "secret two"], error=ValueError("secret"))
theirs.info("secret of a library below warning")
theirs.warning("a sentence of its own: %s %d %s", "secret words", 7, ValueError("secret"))
theirs.warning("by name: %(what)s %(n)d", {"what": "secret words", "n": 8})
try:
    raise ValueError("secret")
except ValueError:
    theirs.exception("it failed")
    logging.getLogger("coach.test").error("ours failed", exc_info=True)
"""


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("route", "small", "small"),
        ("ms", 3.5, 3.5),
        ("sure", True, True),
        ("text", "one", NOT_LOGGED),
        ("seen", "two words", NOT_LOGGED),
        ("seen", "tab\tbetween", NOT_LOGGED),
        ("seen", "x" * 121, NOT_LOGGED),
        ("reason", "p95 is 1.3 times the control's", "p95 is 1.3 times the control's"),
        ("stages", ["redact", "two words"], ["redact", NOT_LOGGED]),
        ("error", ValueError("what was said"), "ValueError"),
    ],
)
def test_a_value_is_told_unless_its_name_or_shape_may_be_speech(name, value, told):
    assert speechless(name, value) == told


def test_of_what_we_and_libraries_log_no_secret_is_left_at_debug():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, check=True,
        env=os.environ | {"LOG_LEVEL": "DEBUG", "LOG_JSON": "1"},
    )  # fmt: skip
    assert "secret" not in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "an.event", "another", f"a sentence of its own: {NOT_LOGGED} 7 ValueError",
        f"by name: {NOT_LOGGED} 8", "it failed", "ours failed",
    ]  # fmt: skip
    assert (lines[0]["route"], lines[0]["ms"], lines[0]["reason"]) == ("small", 3, "two words")
    assert lines[4]["error"] == lines[5]["error"] == "ValueError"

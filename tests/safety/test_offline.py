"""The redactor and the classifiers on a machine without any route."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
from tests import network
network.watch()
from safety.classifiers import InProcess
from safety.redaction import Redactor
shown = Redactor.load().redact(
    "I am Ada Byron of Leeds, ada@example.test, 202-555-0143, https://a.example/x", key=bytes(32)
).text
InProcess.load().read_now("what would help you now")
print(shown.count("["), network.attempts)
"""
DOOR = """
from tests import network
network.watch()
import socket
for host in ("192.0.2.1", "example.test"):
    try:
        socket.create_connection((host, 80), timeout=1)
    except OSError:
        pass
print(len(network.attempts))
"""


def output_of(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_presidio_and_its_libraries_fetch_nothing():
    assert output_of(PROGRAM) == "5 []"


def test_an_attempt_would_be_seen():
    assert output_of(DOOR) == "2"

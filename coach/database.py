"""The live road's way into PostgreSQL: one statement, one round trip, one time limit."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import psycopg
import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from psycopg import AsyncConnection
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from coach import tenancy
from coach.ops import tracing
from coach.postgres.liveness import is_open

log = structlog.get_logger(__name__)

# A stage of the road waits so long for a connection; who has more time, a quarter of it.
CHECKOUT_S, CHECKOUT_SHARE = 0.25, 0.25
NO_CONNECTION = (PoolTimeout, TooManyRequests, PoolClosed)
# Threads that ask Django's models beside the loop.
BESIDE = 4
Answer = TypeVar("Answer")
Params = Mapping[str, Any] | Sequence[Any]


class DatabaseError(Exception):
    """A statement on the live road did not succeed."""


class DatabaseLate(DatabaseError):
    """No answer within the caller's time."""


class DatabaseDown(DatabaseError):
    """No connection could be had, or the second one broke as well."""


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
        named = {"db.system.name": "postgresql", "db.namespace": self.alias}
        with tracing.span("query", named):
            return await self._in_time(query, params, timeout_s)

    async def _in_time(self, query: str, params: Params, timeout_s: float) -> list[tuple[Any, ...]]:
        patience_s = max(CHECKOUT_S, CHECKOUT_SHARE * timeout_s)
        work = asyncio.create_task(self._fetch(query, params, patience_s))
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

    async def _fetch(self, query: str, params: Params, patience_s: float) -> list[tuple[Any, ...]]:
        try:
            return await self._run(query, params, patience_s)
        # The pool's own errors are OperationalErrors too, and say nothing of a connection.
        except NO_CONNECTION as none:
            raise DatabaseDown(f"{self.alias}: no connection") from none
        except psycopg.OperationalError as broken:
            if isinstance(broken, psycopg.errors.QueryCanceled):
                raise DatabaseLate(f"{self.alias}: cancelled") from broken
            log.warning("database.broken", alias=self.alias, error=type(broken).__name__)
        except psycopg.errors.InvalidSqlStatementName as forgotten:
            # The server has nothing under the name that psycopg remembers; nothing was done.
            log.warning("database.broken", alias=self.alias, error=type(forgotten).__name__)
        except psycopg.Error as refused:
            log.error("database.refused", alias=self.alias, error=type(refused).__name__)
            raise DatabaseRefused(f"{self.alias}: {type(refused).__name__}") from refused
        try:
            return await self._run(query, params, patience_s)
        except psycopg.OperationalError as down:
            raise DatabaseDown(f"{self.alias}: no connection") from down

    async def _run(self, query: str, params: Params, patience_s: float) -> list[tuple[Any, ...]]:
        scope = tenancy.current()
        async with self._borrowed(patience_s) as connection, connection:
            # What is sent before one Sync is one transaction, and one round trip.
            async with connection.pipeline():
                await connection.execute(tenancy.TELL, scope.settings)
                cursor = await connection.execute(cast(Any, query), params)
            return await cursor.fetchall() if cursor.description else []

    @asynccontextmanager
    async def _borrowed(self, patience_s: float) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """A connection that comes back to the pool, also when its borrower is cancelled.

        One that was given up half-way is closed: what its server still has to say would be taken
        for the next borrower's answer. So is one on which something failed: psycopg remembers a
        statement as prepared once it has sent it, also when the server never came to read it.
        """
        connection = await self._lent(patience_s)
        sound = False
        try:
            yield connection
            sound = _at_rest(connection)
        finally:
            if not sound:
                connection.pgconn.finish()
            await asyncio.shield(self._returning(connection))

    async def _lent(self, patience_s: float) -> AsyncConnection[TupleRow]:
        """A connection that its server has not closed meanwhile, as far as the socket tells.

        The pool's own `check` asks every server in turn, and cancelled it loses those it holds.
        """
        for _ in range(settings.DATABASE_POOL):
            connection = await self._taken(patience_s)
            if is_open(connection.pgconn):
                return connection
            # The pool closes it and opens another one.
            await asyncio.shield(self._returning(connection))
        return await self._taken(patience_s)

    async def _taken(self, patience_s: float) -> AsyncConnection[TupleRow]:
        # The pool loses a connection that it hands to somebody who is cancelled at that moment.
        lending = asyncio.ensure_future(self._opened.getconn(timeout=patience_s))
        try:
            return await asyncio.shield(lending)
        except asyncio.CancelledError:
            lending.add_done_callback(self._return)
            raise

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


_threads = ThreadPoolExecutor(BESIDE, "beside")


async def beside(work: Callable[[], Answer]) -> Answer:
    """What `work` gets from Django's models, in a thread beside the loop.

    No request ends here that would give connections back. Raises DatabaseDown when there is no
    server.
    """

    def looked_after() -> Answer:
        try:
            return work()
        except (OperationalError, InterfaceError) as down:
            raise DatabaseDown("Django's: no connection") from down
        finally:
            connections.close_all()

    return await sync_to_async(looked_after, thread_sensitive=False, executor=_threads)()


def _at_rest(connection: AsyncConnection[TupleRow]) -> bool:
    pgconn = connection.pgconn
    return (
        pgconn.transaction_status == TransactionStatus.IDLE
        and pgconn.pipeline_status == PipelineStatus.OFF
    )


def _conninfo(alias: dict[str, Any]) -> str:
    options = {key: value for key, value in alias["OPTIONS"].items() if key != "pool"}
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

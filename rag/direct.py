"""A search's way to the database from a command: one connection, one statement at a time."""

from collections.abc import Mapping, Sequence
from typing import Any, Self
from uuid import UUID

import psycopg
from asgiref.sync import sync_to_async
from django.db import connection
from psycopg import AsyncConnection
from psycopg.rows import TupleRow


class Direct:
    """The `default` database as `rag.retrieval.Database`, for one organisation's rows.

    The live road has its pool.
    """

    def __init__(self, organisation_id: UUID) -> None:
        self._organisation_id = organisation_id

    async def __aenter__(self) -> Self:
        params = await sync_to_async(_params)()
        self._connection: AsyncConnection[TupleRow] = await AsyncConnection.connect(
            **params, autocommit=True, prepare_threshold=2
        )
        # Nobody else uses this connection, so what holds for it may hold until it is closed.
        await self._connection.execute(
            "SELECT set_config('app.organisations', %s, false)", [str(self._organisation_id)]
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._connection.close()

    async def fetch(
        self,
        query: str,
        params: Mapping[str, Any] | Sequence[Any] = (),
        *,
        timeout_s: float,
    ) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(query, params)
        return await cursor.fetchall()


def _params() -> dict[str, Any]:
    """Where Django's own connection leads; opening it starts an embedded server."""
    connection.ensure_connection()
    wanted = psycopg.conninfo.conninfo_to_dict(connection.connection.info.dsn)
    password = connection.settings_dict.get("PASSWORD")
    return {**wanted, **({"password": password} if password else {})}

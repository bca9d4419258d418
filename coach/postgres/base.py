"""Django's PostgreSQL backend, which starts the embedded server and tells each transaction for
whom it is (`coach.tenancy`)."""

from collections.abc import Callable
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from coach import tenancy
from coach.postgres.liveness import is_open


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What the running transaction was told; None when that is not known.
        self._told: tenancy.Scope | None = tenancy.NOBODY
        self.execute_wrappers.append(self._in_scope)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if settings.EMBEDDED_DATABASE:
            from coach import embedded

            embedded.hold(settings.DATA_DIR, settings.ENV.database_name)
        self._told = tenancy.NOBODY
        connection = super().get_new_connection(conn_params)
        if self.pool:
            # The pool's own check asks the server, and after each dead one it waits a second.
            for _ in range(self.pool.max_size):
                if is_open(connection.pgconn):
                    break
                # It closes this one and opens another.
                self.pool.putconn(connection)
                connection = super().get_new_connection(conn_params)
        return connection

    def _in_scope(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: bool,
        context: dict[str, Any],
    ) -> Any:
        scope, raw = tenancy.current(), self.connection
        if not self.get_autocommit():
            # A transaction that failed takes nothing but its rollback.
            broken = raw.info.transaction_status == TransactionStatus.INERROR
            if scope != self._told and not broken:
                with self.wrap_database_errors:
                    raw.execute(tenancy.TELL, scope.settings)
                self._told = scope
            return execute(sql, params, many, context)
        if scope == tenancy.NOBODY:
            return execute(sql, params, many, context)
        cursor = context["cursor"].cursor
        with self.wrap_database_errors:
            if many or isinstance(cursor, psycopg.ServerCursor):
                with raw.transaction():
                    raw.execute(tenancy.TELL, scope.settings)
                    return execute(sql, params, many, context)
            # What is sent before one Sync is one transaction, and one round trip.
            with raw.pipeline():
                raw.execute(tenancy.TELL, scope.settings)
                return execute(sql, params, many, context)

    def set_autocommit(
        self, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False
    ) -> None:
        self._told = tenancy.NOBODY
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)

    def commit(self) -> None:
        self._told = tenancy.NOBODY
        super().commit()

    def rollback(self) -> None:
        self._told = tenancy.NOBODY
        super().rollback()

    def savepoint_rollback(self, sid: str) -> None:
        super().savepoint_rollback(sid)
        # Whatever was told inside the savepoint is taken back with it.
        self._told = None

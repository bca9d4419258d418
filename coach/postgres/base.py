"""Django's PostgreSQL backend, which starts the embedded server before its first connection."""

from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        from coach import embedded

        embedded.hold(settings.DATA_DIR, settings.ENV.database_name)
        return super().get_new_connection(conn_params)

"""Four ways into PostgreSQL, and what each may do.

`default` and `vault` are what the application uses; `owner` and `vault_owner` migrate. Consent
lives in the schema `vault` behind its own alias, so that it can move to a server of its own.
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings
from django.db import connections, models
from django.db.models.signals import post_migrate

APP_ALIASES = {"owner": "default", "vault_owner": "vault"}


def parse_url(url: str, *, schema: str = "", engine: str = "") -> dict[str, Any]:
    """Django's settings for a postgresql:// address; raises ValueError for any other."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError("a database address must start with postgresql://")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", "") or unquote(parts.hostname or "")
    if schema:
        options["options"] = f"-c search_path={schema}"
    return {
        "ENGINE": engine or "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        "CONN_MAX_AGE": 60,
    }


def configure(
    *, app: str, owner: str, vault: str, vault_owner: str, data_dir: Path, name: str
) -> dict[str, dict[str, Any]]:
    """The `DATABASES` setting; empty addresses mean the embedded server, or the one before."""
    if not app:
        from coach import embedded

        here = embedded.cluster(data_dir)
        engine = "coach.postgres"
        return {
            "default": parse_url(here.url(embedded.APP, name), engine=engine),
            "owner": parse_url(here.url(embedded.OWNER, name), engine=engine),
            "vault": parse_url(here.url(embedded.VAULT, name), schema="vault", engine=engine),
            "vault_owner": parse_url(here.url(embedded.OWNER, name), schema="vault", engine=engine),
        }
    owner = owner or app
    return {
        "default": parse_url(app),
        "owner": parse_url(owner),
        "vault": parse_url(vault or app, schema="vault"),
        "vault_owner": parse_url(vault_owner or vault or owner, schema="vault"),
    }


class VaultRouter:
    """Consent's tables live in the vault and nowhere else."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        return "vault" if model._meta.app_label == "consent" else None

    db_for_write = db_for_read

    def allow_relation(self, one: models.Model, other: models.Model, **hints: Any) -> bool | None:
        return (one._meta.app_label == "consent") == (other._meta.app_label == "consent")

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Only the owners migrate, each its own."""
        return db == ("vault_owner" if app_label == "consent" else "owner")


def grant_after_migrating() -> None:
    """After each migration the application's role gets exactly what each table allows."""
    post_migrate.connect(_grant, dispatch_uid="coach.databases.grant")


def _grant(*, using: str, app_config: Any, **_: Any) -> None:
    if using not in APP_ALIASES:
        return
    role = settings.DATABASES[APP_ALIASES[using]]["USER"]
    if role == settings.DATABASES[using]["USER"]:
        return
    with connections[using].cursor() as cursor:
        quoted = connections[using].ops.quote_name(role)
        for model in app_config.get_models(include_auto_created=True):
            if not VaultRouter().allow_migrate(using, app_config.label):
                continue
            table = connections[using].ops.quote_name(model._meta.db_table)
            allowed = (
                "SELECT, INSERT"
                if getattr(model, "append_only", False)
                else "SELECT, INSERT, UPDATE, DELETE"
            )
            cursor.execute(f"REVOKE ALL ON {table} FROM {quoted}")
            cursor.execute(f"GRANT {allowed} ON {table} TO {quoted}")
        if using == "owner" and app_config.label == "coach":
            cursor.execute(f"GRANT EXECUTE ON FUNCTION coach_erase_events(uuid, text) TO {quoted}")
        cursor.execute(
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA "
            f"{'vault' if using == 'vault_owner' else 'public'} TO {quoted}"
        )

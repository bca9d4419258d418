"""Four ways into PostgreSQL, and what each may do.

`default` and `vault` are what the application uses; `owner` and `vault_owner` migrate. Consent
lives in the schema `vault` behind its own alias, so that it can move to a server of its own.
After each migration every table is fenced: privileges for the application's role, and row-level
security, forced on the owner too, on each table that has an organisation.
"""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings
from django.db import connections, models, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models.signals import post_migrate

from coach.tenancy import EVERY, ORGANISATIONS

APP_ALIASES = {"owner": "default", "vault_owner": "vault"}
ENGINE = "coach.postgres"
# Both are read once a statement, not once a row. Unset, the list is empty: no row is anybody's.
# The list of "everywhere" is null and not an error, as PostgreSQL may read it ahead of need.
ACTED_FOR = (
    f"SELECT string_to_array(nullif(current_setting('{ORGANISATIONS}', true), '{EVERY}'), ',')"
    "::uuid[]"
)
EVERYWHERE = f"SELECT current_setting('{ORGANISATIONS}', true) = '{EVERY}'"
# Nearly always there is one, and to compare with one costs a fifth of looking through a list, which
# is a millisecond for ten thousand vectors.
FIRST = (
    f"SELECT nullif(nullif(split_part(current_setting('{ORGANISATIONS}', true), ',', 1), ''),"
    f" '{EVERY}')::uuid"
)


def parse_url(url: str, *, schema: str = "") -> dict[str, Any]:
    """Django's settings for a postgresql:// address; raises ValueError for any other."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError("a database address must start with postgresql://")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", "") or unquote(parts.hostname or "")
    if schema:
        options["options"] = f"-c search_path={schema}"
    return {
        "ENGINE": ENGINE,
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        # Each request has a thread of its own here: a connection kept by it would be kept for ever.
        "CONN_MAX_AGE": 0,
    }


def configure(
    *, app: str, owner: str, vault: str, vault_owner: str, data_dir: Path, name: str
) -> dict[str, dict[str, Any]]:
    """The `DATABASES` setting; empty addresses mean the embedded server, or the one before."""
    if not app:
        from coach import embedded

        here = embedded.cluster(data_dir)
        app, owner, vault = (
            here.url(role, name) for role in (embedded.APP, embedded.OWNER, embedded.VAULT)
        )
    return {
        "default": parse_url(app),
        "owner": parse_url(owner),
        "vault": parse_url(vault or app, schema="vault"),
        "vault_owner": parse_url(vault_owner or owner, schema="vault"),
    }


def share_connections(most: int, *, wait_s: float) -> None:
    """From here on this process's threads take their connections in turn, `most` of an alias.

    To open one costs more than most requests ask of it. Nothing of a borrower stays with it
    (`coach.tenancy`), and one that died is found out before it is used (`coach.postgres.base`).
    Whoever waits longer than `wait_s` gets an OperationalError.
    """
    connections.close_all()
    for alias in APP_ALIASES.values():
        settings.DATABASES[alias]["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": most,
            "timeout": wait_s,
            "reconnect_timeout": 5.0,
            "name": f"django-{alias}",
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


def tenant_column(model: type[models.Model]) -> str | None:
    """The column that says whose a row is; None for a view, or a table that is nobody's."""
    if not model._meta.managed:
        return None
    if getattr(model, "is_tenant", False):
        return model._meta.pk.column
    columns = {field.column for field in model._meta.concrete_fields}
    return "organisation_id" if "organisation_id" in columns else None


def fence_after_migrating() -> None:
    """After each migration a table takes what it allows from its role, and no more."""
    post_migrate.connect(_fence, dispatch_uid="coach.databases.fence")


def _fence(*, using: str, app_config: Any, **_: Any) -> None:
    if using not in APP_ALIASES or not VaultRouter().allow_migrate(using, app_config.label):
        return
    role = settings.DATABASES[APP_ALIASES[using]]["USER"]
    # In one transaction: a server that runs meanwhile never finds a right taken and not given.
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        for model in app_config.get_models(include_auto_created=True):
            _grant(cursor, model, role)
            if (column := tenant_column(model)) is not None:
                _secure(cursor, model._meta.db_table, column)
        for function in getattr(app_config, "functions", ()):
            cursor.execute(f'GRANT EXECUTE ON FUNCTION {function} TO "{role}"')
        schema = "vault" if using == "vault_owner" else "public"
        cursor.execute(f'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO "{role}"')


def _grant(cursor: CursorWrapper, model: type[models.Model], role: str) -> None:
    allowed = "SELECT, INSERT, UPDATE, DELETE"
    if getattr(model, "append_only", False):
        allowed = "SELECT, INSERT"
    if getattr(model, "read_only", False):
        allowed = "SELECT"
    cursor.execute(f'REVOKE ALL ON "{model._meta.db_table}" FROM "{role}"')
    cursor.execute(f'GRANT {allowed} ON "{model._meta.db_table}" TO "{role}"')


def _secure(cursor: CursorWrapper, table: str, column: str) -> None:
    """Show and take only rows of the organisations acted for, from the owner as well."""
    rule = f"({column} = ({FIRST})) OR ({EVERYWHERE}) OR {column} = ANY (({ACTED_FOR})::uuid[])"
    mark = hashlib.sha256(rule.encode()).hexdigest()[:16]
    cursor.execute(
        "SELECT relrowsecurity AND relforcerowsecurity AND EXISTS ("
        " SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'tenant'"
        "  AND obj_description(oid, 'pg_policy') = %s)"
        " FROM pg_class c WHERE c.oid = %s::regclass",
        [mark, table],
    )
    if cursor.fetchone() == (True,):
        return
    cursor.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY')
    cursor.execute(f'DROP POLICY IF EXISTS tenant ON "{table}"')
    cursor.execute(f'CREATE POLICY tenant ON "{table}" USING ({rule}) WITH CHECK ({rule})')
    cursor.execute(f"COMMENT ON POLICY tenant ON \"{table}\" IS '{mark}'")

"""How many connections to PostgreSQL a worker may hold at once, and how many the server has."""

from collections.abc import Sequence

from django.conf import settings
from django.db import connections

from coach.database import BESIDE
from coach.live.admission import REQUESTS

ALIASES = ("default", "vault")


def most_of_a_worker(aliases: int = len(ALIASES)) -> int:
    """For each alias the road's pool, and one that requests and threads beside the loop share."""
    return aliases * (settings.DATABASE_POOL + BESIDE + REQUESTS)


def too_few(workers: int) -> str:
    """What to tell an operator of a server with fewer than so many workers may take; else ""."""
    servers: dict[tuple[str, str], list[str]] = {}
    for alias in ALIASES:
        at = connections[alias].settings_dict
        servers.setdefault((str(at["HOST"]), str(at["PORT"])), []).append(alias)
    return " ".join(filter(None, (_told(aliases, workers) for aliases in servers.values())))


def _told(aliases: Sequence[str], workers: int) -> str:
    """The same of the one server that these aliases are on."""
    wanted = workers * most_of_a_worker(len(aliases))
    with connections[aliases[0]].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
        )
        most = int(cursor.fetchone()[0])
    if wanted <= most:
        return ""
    return (
        f"PostgreSQL ({', '.join(aliases)}) has {most} connections, and {workers} workers may want"
        f" {wanted}: beyond them requests are refused. Raise its max_connections, or lower"
        " DATABASE_POOL."
    )

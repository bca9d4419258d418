"""How many connections to PostgreSQL a worker may hold at once, and how many the server has."""

from django.conf import settings
from django.db import connections

from coach.database import BESIDE
from coach.live.admission import REQUESTS

ALIASES = ("default", "vault")


def most_of_a_worker() -> int:
    """For each alias the road's pool, and one that requests and threads beside the loop share."""
    return len(ALIASES) * (settings.DATABASE_POOL + BESIDE + REQUESTS)


def too_few(workers: int) -> str:
    """What to tell an operator whose server has fewer than so many workers may take; else ""."""
    wanted = workers * most_of_a_worker()
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
        )
        most = int(cursor.fetchone()[0])
    if wanted <= most:
        return ""
    return (
        f"PostgreSQL has {most} connections, and {workers} workers may want {wanted}: beyond them"
        " requests are refused. Raise its max_connections, or lower DATABASE_POOL."
    )

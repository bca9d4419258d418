"""How a server of our own is doing: its memory, its tasks and lines, and what it complains of."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np
from django.conf import settings
from django.db import connection
from prometheus_client.parser import text_string_to_metric_families

from coach.live.server import Server

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
LOUD = frozenset({"error", "critical"})
# Python writes these past the logs when it has nobody to raise to.
UNHANDLED = ("Traceback (most recent call last)", "Exception ignored in")
BACKEND = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Vitals:
    """One look at a worker."""

    at_s: float
    resident_mib: float
    tasks: int
    lines: int
    descriptors: int
    connections: int


async def look(server: Server, http: httpx2.AsyncClient) -> Vitals:
    """Raises httpx2.HTTPError when the worker does not answer, OSError when it is gone."""
    sums = await scrape(server, http)
    process = Path(f"/proc/{server.process.pid}")
    return Vitals(
        at_s=time.monotonic(),
        resident_mib=resident_mib(server.process.pid),
        tasks=int(sums.get('sidecoach_load{signal="tasks"}', 0)),
        lines=int(sum(v for k, v in sums.items() if k.startswith("sidecoach_sockets{"))),
        descriptors=len(list((process / "fd").iterdir())),
        connections=await asyncio.to_thread(_connections),
    )


async def scrape(server: Server, http: httpx2.AsyncClient) -> dict[str, float]:
    """Every sample of a server's metrics, by name and labels as Prometheus writes them."""
    answer = await http.get(f"{server.http}/metrics")
    answer.raise_for_status()
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def failed_requests(sums: Mapping[str, float]) -> int:
    """How many requests a server answered with 5xx."""
    return int(
        sum(
            value
            for key, value in sums.items()
            if key.startswith("sidecoach_http_ms_count{") and 'status="5' in key
        )
    )


def resident_mib(pid: int) -> float:
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * PAGE / 2**20


def cpu_s(pid: int) -> float:
    """Seconds of processor time a process has used."""
    return sum(map(int, _stat(pid)[11:13])) / TICKS


def database_cpu_s() -> float:
    """The same of the embedded PostgreSQL and all its processes; 0 where it is another one."""
    file = settings.DATA_DIR / "postgres" / "postmaster.pid"
    if not settings.EMBEDDED_DATABASE or not file.exists():
        return 0.0
    postmaster = int(file.read_text(encoding="ascii").split()[0])
    # What ended in between is counted with the process that started it.
    ticks = sum(map(int, _stat(postmaster)[11:15]))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # Processes come and go while they are counted.
            with suppress(OSError):
                fields = _stat(int(entry.name))
                ticks += sum(map(int, fields[11:13])) if int(fields[1]) == postmaster else 0
    return ticks / TICKS


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on: the name before it may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()


@dataclass(frozen=True)
class Complaints:
    """What a server's log holds that should not be there, by event."""

    errors: Counter[str]
    unhandled: Counter[str]


def complaints(log: Path, *, begin: int = 0) -> Complaints:
    """Read a log of JSON lines from a byte on; what is no JSON was written past the logs."""
    found = Complaints(Counter(), Counter())
    with log.open("rb") as file:
        file.seek(begin)
        for raw in file:
            _count(raw.decode(errors="replace").strip(), found)
    return found


def _count(line: str, found: Complaints) -> None:
    try:
        event = json.loads(line)
    except ValueError:
        for mark in UNHANDLED:
            found.unhandled[mark] += mark in line
        return
    if not isinstance(event, dict) or event.get("level") not in LOUD:
        return
    name = str(event.get("event"))
    # A traceback's places are there when an exception came with it.
    (found.unhandled if "at" in event else found.errors)[name] += 1


@dataclass(frozen=True)
class Slope:
    """A straight line through samples, by least squares; `error` is the slope's standard error."""

    per_minute: float
    error: float


def slope(samples: Iterable[tuple[float, float]]) -> Slope | None:
    """Of (minutes, value); None with fewer than three.

    The error takes samples to be independent, which memory is not: read it as the least it is.
    """
    points = np.array(list(samples), dtype=float)
    if len(points) < 3:
        return None
    x, y = points[:, 0] - points[:, 0].mean(), points[:, 1] - points[:, 1].mean()
    spread = float(x @ x)
    steep = float(x @ y) / spread
    rest = y - steep * x
    error = float(np.sqrt(rest @ rest / (len(points) - 2) / spread))
    return Slope(steep, error)


def _connections() -> int:
    try:
        with connection.cursor() as cursor:
            cursor.execute(BACKEND)
            return int(cursor.fetchone()[0])
    finally:
        connection.close()

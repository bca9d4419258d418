"""A worker's connections to PostgreSQL are bounded, so that one may say how many there must be."""

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx2
import psycopg
import pytest
from django.conf import settings
from django.db import connections as django_connections

from coach import embedded
from coach.live import server
from coach.live.admission import REQUESTS
from coach.live.client import LiveClient
from coach.ops import connections
from tests.people import EVERYTHING

ASKING, ASKED_EACH = 80, 6
HUNG_UP = 20 * REQUESTS
ONE_BY_ONE = 30
SESSIONS = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"


class Counting(threading.Thread):
    """The most connections that this run's database had at any moment, looked at each 5 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self._over = 0, threading.Event()
        here = embedded.cluster(settings.DATA_DIR)
        self._conn = psycopg.connect(here.url("postgres", "postgres"), autocommit=True)

    def now(self) -> int:
        row = self._conn.execute(COUNT, [settings.ENV.database_name]).fetchone()
        return int(row[0]) if row else 0

    def run(self) -> None:
        while not self._over.is_set():
            self.most = max(self.most, self.now())
            time.sleep(0.005)

    def stop(self) -> None:
        self._over.set()
        self.join(5)
        self._conn.close()


@pytest.fixture
def counting() -> Iterator[Counting]:
    counter = Counting()
    yield counter
    counter.stop()


@pytest.fixture(scope="module")
def worker(demo: object) -> Iterator[server.Server]:
    running = server.start(log=settings.DATA_DIR / "server-connections.log")
    yield running
    running.stop()


async def test_a_worker_holds_no_more_connections_than_it_says(
    demo, worker, open_room, counting: Counting
):
    room = await open_room(worker)
    tickets = [await room.ticket(f"Guest {n}", EVERYTHING) for n in range(12)]
    others = counting.now()
    counting.start()
    codes: list[int] = []

    async def asks(http: httpx2.AsyncClient, token: str) -> None:
        for _ in range(ASKED_EACH):
            answer = await http.get(
                f"/api/v1/consent/records/?session={room.session}",
                headers={"Authorization": f"Bearer {token}"},
            )
            codes.append(answer.status_code)

    async with AsyncExitStack() as stack:
        people = [
            await stack.enter_async_context(LiveClient(worker.ws, ticket)) for ticket in tickets
        ]
        http = await stack.enter_async_context(
            httpx2.AsyncClient(
                base_url=worker.http, timeout=30, limits=httpx2.Limits(max_connections=ASKING)
            )
        )
        asking = asyncio.gather(
            *(asks(http, tickets[n % len(tickets)].token) for n in range(ASKING))
        )
        await asyncio.gather(*(each.ask("I keep putting off the report") for each in people))
        await asking
    # What does not get its turn in time is told so; nothing else goes wrong.
    assert set(codes) <= {200, 503}
    assert codes.count(200) > len(codes) / 4
    assert 8 < counting.most - others <= connections.most_of_a_worker()


async def test_requests_are_lent_connections_and_open_none_of_their_own(
    demo, worker, open_room, superuser: psycopg.Connection
):
    """Each took one for both aliases, and threw them away, until they were shared."""
    room = await open_room(worker)
    ticket = await room.ticket("Ada", EVERYTHING)

    async def sessions() -> int:
        # Servers count a session when it has told its figures, a second after it began.
        await asyncio.sleep(1.5)
        row = superuser.execute(SESSIONS).fetchone()
        return int(row[0]) if row else 0

    before = await sessions()
    for _ in range(ONE_BY_ONE):
        await room.api.call("GET", f"consent/records/?session={room.session}", token=ticket.token)
    assert await sessions() - before < ONE_BY_ONE / 2


async def test_who_hangs_up_half_way_keeps_no_connection(demo, worker, open_room):
    """A request that nobody waits for any more still gives back what it was lent."""
    room = await open_room(worker)
    ticket = await room.ticket("Ada", EVERYTHING)
    path = f"/api/v1/consent/records/?session={room.session}"
    bearer = {"Authorization": f"Bearer {ticket.token}"}
    asked = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{worker.port}\r\n"
        f"Authorization: Bearer {ticket.token}\r\n\r\n"
    )
    rng = random.Random(7)

    async def hangs_up() -> None:
        for _ in range(HUNG_UP // REQUESTS):
            _, writer = await asyncio.open_connection("127.0.0.1", worker.port)
            writer.write(asked.encode())
            await writer.drain()
            await asyncio.sleep(rng.uniform(0, 0.15))
            writer.transport.abort()

    await asyncio.gather(*(hangs_up() for _ in range(REQUESTS)))
    await asyncio.sleep(1)
    # More than there are connections in the pool were begun; as many as may run at once still do.
    async with httpx2.AsyncClient(base_url=worker.http, timeout=10) as http:
        answers = await asyncio.gather(*(http.get(path, headers=bearer) for _ in range(REQUESTS)))
    assert [answer.status_code for answer in answers] == [200] * REQUESTS


def test_an_operator_hears_of_a_server_that_has_too_few(demo):
    enough = embedded.CONNECTIONS // connections.most_of_a_worker()
    assert connections.too_few(enough) == ""
    told = connections.too_few(enough + 2)
    assert "max_connections" in told
    assert str((enough + 2) * connections.most_of_a_worker()) in told


def test_a_vault_on_a_server_of_its_own_is_counted_there(demo, monkeypatch):
    enough = 2 * (embedded.CONNECTIONS // connections.most_of_a_worker())
    assert "default, vault" in connections.too_few(enough)
    at = django_connections["vault"].settings_dict
    # The same server by another name.
    monkeypatch.setitem(at, "HOST", f"{at['HOST']}/.")
    assert connections.too_few(enough) == ""
    told = connections.too_few(2 * enough)
    assert "(default)" in told
    assert "(vault)" in told

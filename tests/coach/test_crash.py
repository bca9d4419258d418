"""What is left after a crash: of the server's process, and of PostgreSQL."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from coach import embedded
from coach.engines import WRITTEN_S
from coach.live import server
from coach.live.client import LiveClient, rest
from coach.live.watch import EVERY_S
from tests.line import Witness, compare, told_once
from tests.people import EVERYTHING, Room
from tests.proofs import repeats

STUCK = "I keep putting off the report"
CRASHES = 3
DATABASE_CRASHES = repeats(3, full=200)
# What nobody could write the end of is ended by whoever looks for it, once its lease is over.
ADOPTED_S = settings.ENV.terminal_ms / 1000 + WRITTEN_S + 2 * EVERY_S


async def reconnect(client: LiveClient) -> None:
    for _ in range(100):
        try:
            await client.open()
            return
        except OSError:
            await asyncio.sleep(0.1)
    raise AssertionError("the server did not come back")


@pytest.mark.timeout(400)
async def test_after_kill_9_nothing_acked_is_lost_doubled_or_out_of_order(demo, open_room):
    """Five people talk; the server is killed in mid-sentence, three times; everyone resumes."""
    log, port = settings.DATA_DIR / "server-crash.log", server.free_port()
    running = server.start(log=log, port=port)
    try:
        room = await open_room(running)
        people = [
            LiveClient(running.ws, await room.ticket(f"Person{n}", EVERYTHING)) for n in range(5)
        ]
        for person in people:
            await person.open()
        for _ in range(CRASHES):
            talking = [asyncio.create_task(talk(person)) for person in people]
            await asyncio.sleep(0.35)
            running.kill()
            await asyncio.gather(*talking)
            for person in people:
                await person.abort()
            running = server.start(log=log, port=port)
            for person in people:
                await reconnect(person)
        await asyncio.sleep(5)
        for person in people:
            for key, turn in list(person.turns.items()):
                if not turn.done.done():
                    await person.say(STUCK, client_msg_id=key)
        await asyncio.wait_for(
            asyncio.gather(*(t.done for p in people for t in p.turns.values())), 20
        )
        await told_once(room.session)
        for person in people:
            await person.close()
        check(room.session, people)
    finally:
        running.stop()


@pytest.fixture
def server_of_its_own(scratch, embedder):
    """A server with a PostgreSQL that nobody else uses, and its facilitator's token."""
    (scratch / "models").symlink_to(embedder.parent)
    environment = {
        **server.UNHURRIED, "DATA_DIR": str(scratch), "DATABASE_NAME": "sidecoach", "DEMO": "1"
    }  # fmt: skip
    with server.running(
        log=settings.DATA_DIR / "server-pg.log", environment=environment, migrate=True
    ) as running:
        made = subprocess.run(
            [sys.executable, "manage.py", "demo", "--json"],
            env={**os.environ, **environment}, capture_output=True, check=True,
        )  # fmt: skip
        yield running, json.loads(made.stdout)["facilitator"]["token"]


@pytest.mark.engines
@pytest.mark.timeout(1800)
async def test_after_kill_9_of_postgresql_under_load_nothing_acked_is_lost(
    server_of_its_own, scratch
):
    """One of its processes is killed; it ends all others and comes back from its log alone."""
    running, token = server_of_its_own
    async with rest(running.http, token) as api:
        session = await api.call("POST", "sessions/", {"title": "Crash", "cooldown_s": 0})
        people = [
            Witness(
                [running], await api.join(session["join_code"], f"Person{n}", EVERYTHING),
                random.Random(n),
            )
            for n in range(6)
        ]  # fmt: skip
    for person in people:
        await person.start()
    over = False
    talking = [asyncio.create_task(p.talk(lambda: not over, bytes_most=None)) for p in people]
    for cycle in range(DATABASE_CRASHES):
        await one_more_is_heard(people, talking)
        await asyncio.sleep(0.5 + 0.1 * (cycle % 10))
        await crash_postgresql(scratch)
    await asyncio.sleep(1)
    over = True
    await asyncio.gather(*talking)
    for person in people:
        await person.settle()
    await asyncio.sleep(ADOPTED_S)
    found = await compare(running, people)
    print(f"\n{DATABASE_CRASHES} crashes of PostgreSQL: {found}")
    for person in people:
        await person.close()
    assert found["said"] > 10
    assert (found["lost"], found["doubled"], found["reordered"], found["unanswered"]) == (0,) * 4


async def one_more_is_heard(people: list[Witness], talking: list[asyncio.Task[None]]) -> None:
    """A crash under load: somebody was heard again since the one before."""

    def heard() -> int:
        return sum(bool(turn.utterance) for p in people for turn in p.client.turns.values())

    before, until = heard(), time.monotonic() + 60
    while heard() == before:
        for task in talking:
            if task.done():
                task.result()
        states = [(p.client.connected, p.opened, p.refused) for p in people]
        assert time.monotonic() < until, states
        await asyncio.sleep(0.1)


async def crash_postgresql(data_dir: Path) -> None:
    """Kill a process of the embedded server that serves somebody."""
    pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    async with asyncio.timeout(30):
        while not (serving := serving_processes(pid)):  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.1)
    os.kill(random.choice(serving), signal.SIGKILL)


def serving_processes(postmaster: int) -> list[int]:
    found = []
    for child in Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split():
        try:
            if b"sidecoach_app" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
        except OSError:
            continue
    return found


async def talk(person: LiveClient) -> None:
    try:
        for _ in range(20):
            await person.say(STUCK)
            await asyncio.sleep(0.05)
    except Exception:
        return


def check(session: str, people: list[LiveClient]) -> None:
    from coach.models import Event, Utterance

    acked = 0
    for person in people:
        stored = list(
            Event.objects.filter(stream__session_id=session, stream__audience=person.ticket.member)
            .order_by("seq").values_list("seq", "frame")
        )  # fmt: skip
        assert [seq for seq, _ in stored] == list(range(1, len(stored) + 1))
        first = person.events[0]["seq"]
        assert [f["seq"] for f in person.events] == list(range(first, len(stored) + 1))
        assert [frame for seq, frame in stored if seq >= first] == person.events
        for turn in person.turns.values():
            acked += bool(turn.utterance)
            terminal = {f["seq"] for f in turn.terminals if "seq" in f}
            assert len(terminal) <= 1
    rows = Utterance.objects.filter(session_id=session)
    assert rows.count() == acked
    assert not rows.filter(outcome__isnull=True).exists()


async def test_connections_that_died_are_replaced_at_once(room, ada):
    """What a restart of PostgreSQL does to a pool: every connection in it is dead."""
    await ada.ask(STUCK)
    here = embedded.cluster(settings.DATA_DIR)
    with psycopg.connect(here.url("postgres", "postgres"), autocommit=True) as superuser:
        superuser.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'sidecoach-live' AND datname = %s",
            [settings.DATABASES["default"]["NAME"]],
        )
    began = time.perf_counter()
    turn = await ada.ask(STUCK)
    assert turn.terminals[0]["type"] == "nudge.done", turn.terminals
    assert time.perf_counter() - began < 2


async def test_when_the_models_connections_died_people_come_in_as_before(demo, open_room):
    """They belong to threads that no request looks after."""
    name = f"models-{uuid.uuid4()}"

    async def come_in(room: Room, names: str) -> list[str]:
        async with AsyncExitStack() as lines:
            people = [
                await lines.enter_async_context(
                    LiveClient(room.server.ws, await room.ticket(name, EVERYTHING))
                )
                for name in names
            ]
            turns = await asyncio.gather(*(person.ask(STUCK) for person in people))
        return [turn.terminals[0]["type"] for turn in turns]

    log = settings.DATA_DIR / "server-models.log"
    with server.running(log=log, environment={"PGAPPNAME": name}) as running:
        room = await open_room(running)
        await come_in(room, "ABCDEF")
        here = embedded.cluster(settings.DATA_DIR)
        with psycopg.connect(here.url("postgres", "postgres"), autocommit=True) as superuser:
            died = superuser.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE application_name = %s",
                [name],
            ).fetchall()
        assert died
        assert await come_in(room, "GHIJKL") == ["nudge.done"] * 6


HOLDER = """
import signal, sys, time
from pathlib import Path
from coach import embedded
import psycopg
# A shell that ran the tests in the background has told its children to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
here = embedded.hold(Path(sys.argv[1]), "sidecoach")
with psycopg.connect(here.url(embedded.APP, "sidecoach")) as c:
    print(c.execute("SELECT current_user").fetchone()[0], flush=True)
if len(sys.argv) > 2:
    time.sleep(60)
"""


def holder(folder: Path, *more: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), *more],
        cwd=settings.BASE_DIR, stdout=subprocess.PIPE,
    )  # fmt: skip


def alive(folder: Path) -> bool:
    return embedded._answers(embedded.cluster(folder))


@pytest.fixture
def own_cluster(scratch):
    yield scratch / "data"
    embedded_pid = scratch / "data" / "postgres" / "postmaster.pid"
    if embedded_pid.exists():
        os.kill(int(embedded_pid.read_text().split()[0]), signal.SIGINT)
        for _ in range(50):
            if not embedded_pid.exists():
                break
            time.sleep(0.1)


def test_the_last_to_leave_stops_the_server_and_no_one_before(own_cluster):
    first, second = holder(own_cluster, "stay"), holder(own_cluster, "stay")
    for process in (first, second):
        assert process.stdout is not None
        assert process.stdout.readline() == b"sidecoach_app\n"
    first.send_signal(signal.SIGINT)
    first.wait(20)
    assert alive(own_cluster)
    second.send_signal(signal.SIGINT)
    second.wait(20)
    assert not alive(own_cluster)
    for process in (first, second):
        process.communicate()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT], ids=lambda told: told.name)
def test_a_server_that_is_told_to_end_stops_its_database(own_cluster, told):
    own_cluster.mkdir()
    (own_cluster / "models").symlink_to(settings.DATA_DIR / "models")
    log = own_cluster / "log"
    elsewhere = {"DATA_DIR": str(own_cluster)}
    with server.running(log=log, environment=elsewhere, migrate=True) as serving:
        assert alive(own_cluster)
        serving.process.send_signal(told)
        assert serving.process.wait(20) == 0
    assert not alive(own_cluster)
    assert "Traceback" not in log.read_text()


def test_after_kill_9_of_everything_the_next_start_recovers(own_cluster):
    process = holder(own_cluster, "stay")
    assert process.stdout is not None
    process.stdout.readline()
    postmaster = int((own_cluster / "postgres" / "postmaster.pid").read_text().split()[0])
    process.kill()
    process.wait(10)
    os.kill(postmaster, signal.SIGKILL)
    for _ in range(50):
        if not alive(own_cluster):
            break
        time.sleep(0.1)
    process.stdout.close()
    again = holder(own_cluster)
    output, _ = again.communicate(timeout=60)
    assert output == b"sidecoach_app\n"
    assert not alive(own_cluster)


def test_the_applications_roles_own_nothing_and_cannot_rewrite_history(database):
    settings_of = settings.DATABASES["default"]
    with psycopg.connect(
        dbname=settings_of["NAME"], user=settings_of["USER"], host=settings_of["HOST"]
    ) as c:
        row = c.execute(
            "SELECT rolsuper, rolbypassrls, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, False, False)
        owned = c.execute(
            "SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole"
        ).fetchone()
        assert owned == (0,)
        for statement in (
            "UPDATE coach_event SET type = 'x'", "DELETE FROM coach_event",
            "TRUNCATE coach_event", "SELECT 1 FROM vault.consent_record",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                c.execute(statement)
            c.rollback()


def test_durability_is_not_traded_away(database):
    from django.db import connection

    with connection.cursor() as cursor:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == ("on",)


def test_ids_are_random():
    from coach.models import Member, Nudge, Session, Utterance

    for model in (Session, Member, Utterance, Nudge):
        assert isinstance(model._meta.pk.get_default(), uuid.UUID)

"""Admission: what a worker cannot do in time it refuses at once, and never a cry for help."""

import asyncio
import contextlib
import time
import uuid

import pytest
from django.conf import settings

from coach.errors import Overloaded
from coach.live import server
from coach.live.admission import (
    FEWEST,
    REFUSE,
    RETRY_MS,
    SHED,
    SHRINK_EVERY_S,
    WARN,
    Admission,
)
from coach.live.client import LiveClient, RestError
from tests.people import EVERYTHING

STUCK = "I keep putting off the report for the steering group"
SLOW_MS = 300.0
TRIES = 5


class Worker:
    """An admission whose surroundings a test sets."""

    def __init__(self, most=16) -> None:
        self.waiting = self.shed = 0
        self.admission = Admission(
            most=most, slow_ms=SLOW_MS, waiting=lambda: self.waiting, waiting_most=32,
            memory_bytes=2**30, shed=self.empty,
        )  # fmt: skip

    def empty(self) -> None:
        self.shed += 1

    def walk(self, own_ms: float, *, times: int = 1) -> None:
        for _ in range(times):
            self.admission.began()
            self.admission.ended(own_ms)


async def test_the_more_are_refused_the_later_they_are_asked_to_come_back(monkeypatch):
    """Of three hundred who insist fewer than eighty come back in a second, instead of all."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    worker = Worker(most=16)
    worker.waiting = 33
    crowd = [0.0] * 300  # when each of them asks again
    refused = 0
    while now[0] < 60.0:
        for nth, due in enumerate(crowd):
            if due <= now[0]:
                with pytest.raises(Overloaded) as told:
                    worker.admission.admit()
                crowd[nth] = now[0] + told.value.retry_after_ms / 1000
                refused += now[0] >= 20.0
        now[0] += 0.1
    assert refused / 40 < 80
    now[0] += 60
    with pytest.raises(Overloaded) as told:
        worker.admission.admit()
    assert told.value.retry_after_ms <= 1.5 * RETRY_MS


async def test_so_many_roads_and_no_more():
    admission = Worker(most=16).admission
    for _ in range(16):
        admission.admit()
        admission.began()
    with pytest.raises(Overloaded) as refused:
        admission.admit()
    assert refused.value.signal == "roads"
    assert 500 <= refused.value.frame()["retry_after_ms"] <= 1500
    admission.ended(10.0)
    admission.admit()


async def test_slow_roads_let_fewer_in_and_never_none():
    worker = Worker(most=64)
    for _ in range(21):
        worker.walk(SLOW_MS + 1)
        await asyncio.sleep(SHRINK_EVERY_S)
    assert worker.admission.limit == FEWEST


async def test_quick_roads_let_more_in_again():
    worker = Worker(most=64)
    worker.walk(SLOW_MS + 1)
    before = worker.admission.limit
    for _ in range(50):
        worker.admission.began()
    for _ in range(50):
        worker.admission.ended(5.0)
    assert before < worker.admission.limit <= 64


async def test_a_queue_for_the_database_refuses():
    worker = Worker()
    worker.waiting = 33
    with pytest.raises(Overloaded, match="overloaded"):
        worker.admission.admit()
    assert worker.admission.overload == "database"


async def test_a_loop_that_is_late_again_and_again_refuses_and_one_pause_does_not():
    admission = Worker().admission
    for lags, late in (([900.0], False), ([900.0, 400.0, 300.0], True), ([5.0], False)):
        admission.was_late(*lags)
        assert (admission.overload == "lag") is late


@pytest.mark.parametrize(("share", "sheds", "takes"), [
    (WARN - 0.01, 0, True), (WARN, 0, True), (SHED, 1, True), (REFUSE, 1, False),
])  # fmt: skip
async def test_memory_is_a_ladder(share, sheds, takes):
    worker = Worker()
    worker.admission.look(share)
    assert (worker.shed, worker.admission.takes_sessions) == (sheds, takes)
    if not takes:
        with pytest.raises(Overloaded):
            worker.admission.admit_session()
    worker.admission.look(share)
    assert worker.shed == sheds, "caches are not emptied over and over"
    worker.admission.look(0.1)
    assert worker.admission.takes_sessions


async def test_who_comes_in_takes_turns():
    admission = Worker().admission
    inside = most = 0

    async def come() -> None:
        nonlocal inside, most
        async with admission.arriving() as may_come:
            assert may_come
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.005)
            inside -= 1

    await asyncio.gather(*(come() for _ in range(64)))
    assert most == 8


@pytest.fixture(scope="module")
def small_server(demo):
    """A worker with room for hardly anything."""
    environment = {**server.UNHURRIED, "ROADS_PER_WORKER": "4", "MEMORY_LIMIT_MB": "64"}
    with server.running(
        log=settings.DATA_DIR / "small.log", environment=environment, ready=False
    ) as own:
        yield own


async def test_a_full_worker_takes_no_new_people_and_says_when_to_come_back(small_server, demo):
    import httpx2

    async with httpx2.AsyncClient(base_url=small_server.http) as stranger:
        async with asyncio.timeout(20):
            ready = await stranger.get("/readyz")
            while ready.status_code != 503:
                await asyncio.sleep(0.2)
                ready = await stranger.get("/readyz")
        assert "full" in ready.json()["checks"]["memory"]
        answer = await stranger.post(
            "/api/v1/sessions/join",
            json={"code": demo.session.join_code, "display_name": "Ada", "consent": []},
        )
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 5
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.fixture
async def crowd(open_room, real_server, small_server):
    """Twelve people who joined elsewhere and are served by the small worker."""
    room = await open_room(real_server)
    people = [
        LiveClient(small_server.ws, await room.ticket(f"P{n}", EVERYTHING)) for n in range(12)
    ]
    for person in people:
        person.patient = False
        await person.open()
    yield people
    for person in people:
        await person.close()


async def test_at_once_too_many_are_told_so_and_get_in_with_the_same_id(crowd):
    turns = [await person.say(STUCK) for person in crowd for _ in range(3)]
    await asyncio.sleep(2)
    refused = [f for p in crowd for f in p.passing if f["type"] == "overloaded"]
    assert refused
    assert all(f["retry_after_ms"] > 0 and f["client_msg_id"] for f in refused)
    for person in crowd:
        for turn in [t for t in person.turns.values() if not t.done.done()]:
            for _ in range(TRIES):
                await person.say(turn.text, client_msg_id=turn.client_msg_id)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(turn.done), 2)
                    break
    assert [len(turn.terminals) for turn in turns] == [1] * len(turns)


async def test_a_cry_for_help_is_never_refused(crowd):
    noise = [asyncio.create_task(person.say(STUCK)) for person in crowd for _ in range(3)]
    cries = [await person.say("I want to kill myself") for person in crowd]
    await asyncio.gather(*noise)
    frames = await asyncio.wait_for(asyncio.gather(*(turn.done for turn in cries)), 15)
    assert {frame["type"] for frame in frames} <= {"escalated"}


async def test_words_by_post_get_503_and_when_to_try_again(crowd, small_server):
    from coach.live.client import rest

    async with rest(small_server.http, crowd[0].ticket.token) as api:
        path = f"sessions/{crowd[0].ticket.session}/utterances/"

        async def say() -> int:
            body = {"client_msg_id": str(uuid.uuid4()), "text": STUCK}
            try:
                await api.call("POST", path, body)
            except RestError as exc:
                return exc.status
            return 202

        answers = await asyncio.gather(*(say() for _ in range(40)))
    assert set(answers) <= {202, 503}

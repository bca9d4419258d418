"""The live line without a socket: events over HTTP, words by POST, against a real server."""

import asyncio
import json
import signal
import time
import uuid

import httpx2
import pytest
from django.conf import settings

from coach.live import server
from coach.live.client import EventClient, LiveClient, RestError
from coach.live.log import Place
from coach.models import Member
from tests.people import EVERYTHING

STUCK = "I keep putting off the report for the steering group"


@pytest.fixture
async def eve(room):
    """Eve allows coaching, behind a proxy that lets no socket through."""
    client = EventClient(room.server.ws, await room.ticket("Eve", EVERYTHING))
    await client.open()
    yield client
    await client.close()


async def test_a_member_lives_without_a_socket(eve):
    turn = await eve.ask(STUCK)
    frame = turn.terminals[0]
    assert (frame["type"], frame["source"]) == ("nudge.done", "playbook")
    kinds = [f["type"] for f in eve.events if f.get("utterance") == turn.utterance]
    assert kinds == ["ack", "utterance", "nudge.done"]
    await eve.send({"type": "feedback", "nudge": frame["nudge"], "verdict": "accepted"})
    assert (await eve.until("nudge.feedback"))["verdict"] == "accepted"


async def test_a_stream_and_a_socket_of_one_member_read_the_same(room, eve):
    async with LiveClient(room.server.ws, eve.ticket) as socket:
        await socket.ask(STUCK)
        done = await eve.until("nudge.done")
        assert done == next(f for f in socket.events if f["type"] == "nudge.done")


async def test_what_was_missed_comes_after_the_place_that_was_told(room, eve):
    await eve.ask(STUCK)
    await eve.close()
    async with LiveClient(room.server.ws, eve.ticket) as socket:
        await socket.ask("and I do not know where to start")
        missed = [f["seq"] for f in socket.events]
    await eve.open()
    await eve.until("nudge.done", seen=1)
    numbers = [f["seq"] for f in eve.events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert set(missed) <= set(numbers)


async def test_a_place_in_another_history_is_answered_with_resync(eve):
    await eve.close()
    eve.epoch = str(uuid.uuid4())
    await eve.open()
    await eve.ask(STUCK)
    assert eve.resyncs == 1


async def test_the_same_message_again_gives_the_stored_outcome(eve):
    key = str(uuid.uuid4())
    first = await eve.say(STUCK, client_msg_id=key)
    done = await asyncio.wait_for(first.done, 5)
    path = f"/api/v1/sessions/{eve.ticket.session}/utterances/"
    again = await eve.http.post(path, json={"client_msg_id": key, "text": STUCK})
    assert (again.status_code, again.json()["outcome"]) == (202, done)
    other = await eve.http.post(path, json={"client_msg_id": key, "text": "something else"})
    assert other.status_code == 409


async def test_words_by_post_are_masked_before_they_are_stored(room, eve, fay):
    await eve.ask("mail me at eve.l@example.org, says Eve")
    assert "eve.l@example.org" not in json.dumps(await fay.until("utterance"))
    own = next(f for f in eve.events if f["type"] == "utterance")
    assert "eve.l@example.org" in own["text"]


@pytest.mark.parametrize("body", [
    {}, {"client_msg_id": "no", "text": "x"}, {"client_msg_id": str(uuid.uuid4()), "text": ""},
    {"client_msg_id": str(uuid.uuid4()), "text": "y" * 5000},
    {"client_msg_id": str(uuid.uuid4()), "text": "nul \x00"},
])  # fmt: skip
async def test_bad_words_are_a_problem_document_and_no_utterance(eve, body):
    path = f"/api/v1/sessions/{eve.ticket.session}/utterances/"
    answer = await eve.http.post(path, json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_road_begun_by_post_can_be_called_off(eve):
    key = str(uuid.uuid4())
    await eve.say(STUCK, client_msg_id=key)
    path = f"/api/v1/sessions/{eve.ticket.session}/utterances/{key}/"
    assert (await eve.http.delete(path)).status_code == 204
    done = await asyncio.wait_for(eve.turns[key].done, 5)
    assert done["type"] in ("cancelled", "nudge.done")


async def test_a_stream_ends_within_two_seconds_of_its_right(eve):
    Member.objects.filter(id=eve.ticket.member).update(removed_at="2026-01-01T00:00Z")
    began = time.monotonic()
    assert await asyncio.wait_for(eve.closed, 4) == 4403
    assert time.monotonic() - began <= 2.5
    with pytest.raises(RestError) as refused:
        await eve.open()
    assert refused.value.status in (401, 404)


async def test_an_idle_stream_beats_so_that_a_page_can_hear_it(eve):
    path = f"/api/v1/sessions/{eve.ticket.session}/stream/"
    async with eve.http.stream("GET", path, timeout=20.0) as answer:
        lines = answer.aiter_lines()
        async with asyncio.timeout(18):
            while (line := await anext(lines)) != 'data: {"type": "pong"}':
                assert "closed" not in line


async def test_a_stream_is_not_stored_or_held_back_by_anybody_in_between(eve):
    path = f"/api/v1/sessions/{eve.ticket.session}/stream/"
    async with eve.http.stream("GET", path) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"


async def test_a_page_elsewhere_cannot_make_a_browser_speak(room, eve):
    """A cookie alone says nothing for somebody: a POST needs the page's own token."""
    async with httpx2.AsyncClient(base_url=room.server.http) as browser:
        joined = await browser.post(
            "/api/v1/sessions/join",
            json={"code": room.code, "display_name": "Eve", "consent": []},
        )
        session = joined.json()["session"]
        answer = await browser.post(
            f"/api/v1/sessions/{session}/utterances/",
            json={"client_msg_id": str(uuid.uuid4()), "text": "not me"},
        )
    assert answer.status_code == 403


async def test_a_worker_that_is_told_to_end_sends_its_readers_away_first(open_room, demo):
    log = settings.DATA_DIR / "stream-end.log"
    with server.running(log=log, environment=server.UNHURRIED) as own:
        room = await open_room(own)
        client = EventClient(own.ws, await room.ticket("Eve", EVERYTHING))
        await client.open()
        began = time.monotonic()
        own.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(client.closed, 3) == 1012
        await asyncio.to_thread(own.process.wait, 10)
        assert time.monotonic() - began < 4
        await client.close()
    assert b"Traceback" not in log.read_bytes()


@pytest.mark.parametrize(("text", "place"), [
    ("0b5e0c1a-6f0e-4b52-9d1f-5ac0ac4e0001.7",
     Place(uuid.UUID("0b5e0c1a-6f0e-4b52-9d1f-5ac0ac4e0001"), 7)),
    ("", None), ("7", None), ("x.7", None), ("0b5e0c1a-6f0e-4b52-9d1f-5ac0ac4e0001.-7", None),
    ("0b5e0c1a-6f0e-4b52-9d1f-5ac0ac4e0001.", None),
])  # fmt: skip
def test_a_place_is_an_epoch_and_a_number_or_none(text, place):
    assert Place.parse(text) == place

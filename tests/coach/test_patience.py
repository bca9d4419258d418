"""Words that were refused for now: said again by and by, and none of them forgotten."""

import asyncio
import time

import httpx2
import pytest

from coach.live import patience
from coach.live.client import Rest, RestError
from coach.live.patience import Patience

WAIT_S = 0.01


class Busy:
    """A server that refuses until it is told otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(patience, "LONGEST_S", 0.2)
        monkeypatch.setattr(patience, "ANSWER_S", 0.3)
        self.patience = Patience(self._say)
        self.said: list[tuple[str, float]] = []
        self.refusing = self.answering = self.connected = True

    async def _say(self, key: str) -> bool:
        if not self.connected:
            return False
        self.said.append((key, time.monotonic()))
        if self.answering:
            asyncio.get_running_loop().call_later(0.001, self._answer, key)
        return True

    def _answer(self, key: str) -> None:
        if self.refusing:
            self.patience.refused(key, WAIT_S)
        else:
            self.patience.settled(key)

    async def until_said(self, *keys: str) -> None:
        async with asyncio.timeout(3):
            while [key for key, _ in self.said][-len(keys) :] != list(keys):  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
async def busy(monkeypatch):
    server = Busy(monkeypatch)
    yield server
    server.patience.stop()


async def test_the_oldest_alone_insists_and_ever_more_slowly(busy):
    for key in "abc":
        busy.patience.refused(key, WAIT_S)
    await asyncio.sleep(0.5)
    assert {key for key, _ in busy.said} == {"a"}
    # After 0.01, 0.02, 0.04 ... seconds; without growing it would be fifty times.
    assert 1 < len(busy.said) <= 7


async def test_once_one_is_taken_the_others_follow_in_order(busy):
    busy.refusing = False
    for key in "abcdefgh":
        busy.patience.refused(key, 0.2)
    await busy.until_said(*"abcdefgh")
    assert len(busy.said) == 8
    # Seven more waits would be 1.4 s.
    assert busy.said[-1][1] - busy.said[0][1] < 1


async def test_words_without_an_answer_are_said_again(busy):
    busy.answering = False
    busy.patience.refused("a", WAIT_S)
    await busy.until_said("a", "a")


async def test_what_waits_when_the_line_ends_goes_on_with_the_next(busy):
    busy.connected = busy.refusing = False
    busy.patience.refused("a", WAIT_S)
    await asyncio.sleep(0.1)
    assert busy.said == []
    busy.connected = True
    busy.patience.go_on()
    await busy.until_said("a")


@pytest.mark.parametrize(
    ("title", "status", "asked"), [("Overloaded", 503, 2), ("Temporarily unavailable", 503, 1)]
)
async def test_only_who_was_not_listened_to_asks_for_a_seat_again(title, status, asked):
    requests = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        if len(requests) == 1:
            return httpx2.Response(status, json={"title": title, "status": status})
        return httpx2.Response(
            201, json={"session": "s", "member": "m", "token": "t", "receipt": {}}
        )

    transport = httpx2.MockTransport(answer)
    async with httpx2.AsyncClient(transport=transport, base_url="http://busy") as http:
        joining = Rest(http).join("CODE", "Ada", {})
        if asked == 1:
            with pytest.raises(RestError):
                await joining
        else:
            assert (await joining).member == "m"
    assert len(requests) == asked

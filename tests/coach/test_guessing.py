"""Join codes are short: who tries many of them has to wait, whatever their headers say."""

import asyncio

import httpx2
import pytest
from django.conf import settings

from coach.api.guessing import MISSES
from coach.live import server
from tests.people import EVERYTHING

WRONG = "QQQQQ{}"


@pytest.fixture
def guarded(demo):
    """A server whose proxies are told by what they are, so that each test is from elsewhere."""
    with server.running(
        log=settings.DATA_DIR / "server-guessing.log",
        environment={**server.UNHURRIED, "TRUSTED_PROXIES": "127.0.0.1"},
    ) as running:
        yield running


async def answers(url: str, code: str, times: int, **headers: str) -> list[int]:
    async with httpx2.AsyncClient(base_url=url, headers=headers) as http:
        asked = [http.get("/api/v1/consent/notice/", params={"code": code}) for _ in range(times)]
        return [answer.status_code for answer in await asyncio.gather(*asked)]


async def test_after_thirty_wrong_codes_the_right_one_has_to_wait_and_nobody_elses(
    guarded, open_room
):
    room = await open_room(guarded)
    one, other = {"X-Forwarded-For": "192.0.2.7"}, {"X-Forwarded-For": "192.0.2.8"}
    right = [await answers(guarded.http, room.code, 5, **one) for _ in range(MISSES // 5 + 1)]
    assert right == [[200] * 5] * len(right)
    wrong = [await answers(guarded.http, WRONG.format(n), 1, **one) for n in range(2, 10)]
    assert wrong == [[404]] * 8
    many = await answers(guarded.http, WRONG.format("A"), MISSES, **one)
    assert set(many) <= {404, 429}
    assert await answers(guarded.http, room.code, 1, **one) == [429]
    assert await answers(guarded.http, room.code, 1, **other) == [200]
    async with httpx2.AsyncClient(base_url=guarded.http, headers=one) as http:
        body = {"code": room.code, "display_name": "Mallory"}
        refused = await http.post("/api/v1/sessions/join/", json=body)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "wrong codes" in refused.json()["detail"]
    await room.ticket("Ada", EVERYTHING)


async def test_a_header_of_ones_own_is_no_new_address(demo):
    with server.running(
        log=settings.DATA_DIR / "server-guessing.log",
        environment={**server.UNHURRIED, "TRUSTED_PROXIES": "198.51.100.1"},
    ) as running:
        seen = [
            (await answers(running.http, "QQQQQQ", 1, **{"X-Forwarded-For": f"192.0.2.{n}"}))[0]
            for n in range(MISSES + 1)
        ]
    assert seen == [404] * MISSES + [429]

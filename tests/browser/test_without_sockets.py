"""Behind a proxy that lets no socket through: the same stories, by events and requests."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, WebSocket, expect

from coach.live.server import Server
from coach.models import Member
from tests.browser.conftest import OpenWindow
from tests.browser.people import STUCK, Room, facilitate, join, live, nudged, say
from tests.line import Cutter

REFUSAL = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Proxy(Cutter):
    """A way to the server that refuses every upgrade to a socket, until it is told not to."""

    def __init__(self, port: int) -> None:
        super().__init__(lambda: port, lambda: None)
        self.lets_sockets_through = False
        self.swallows = False
        self.refused = 0

    async def open(self) -> int:
        self.port = await super().open()
        return self.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        budget: int | None,
        *,
        begun: bytes = b"",
    ) -> None:
        # A browser shakes hands on a connection of its own.
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError):
            writer.transport.abort()
            return
        if b"upgrade: websocket" in head.lower():
            if not self.lets_sockets_through:
                self.refused += 1
                if self.swallows:
                    await reader.read()
                else:
                    writer.write(REFUSAL)
                writer.close()
                return
            # The server takes sockets from pages of its own address alone.
            head = head.replace(b":%d" % self.port, b":%d" % self._upstream())
        await super()._join(reader, writer, budget, begun=head)


@pytest.fixture
async def proxy(real_server: Server) -> AsyncIterator[Proxy]:
    proxy = Proxy(real_server.port)
    await proxy.open()
    yield proxy
    await proxy.close()


@pytest.fixture
async def ada(open_window: OpenWindow, room: Room, proxy: Proxy) -> Page:
    page = await open_window("phone", at=proxy.url)
    await join(page, room, "Ada")
    return page


@pytest.fixture
async def board(open_window: OpenWindow, room: Room, proxy: Proxy) -> Page:
    page = await open_window("laptop", facilitator=True, at=proxy.url)
    await facilitate(page, room)
    return page


async def test_a_participant_talks_answers_and_finds_it_all_again(ada: Page, proxy: Proxy) -> None:
    await say(ada, STUCK)
    nudge = await nudged(ada)
    await nudge.get_by_role("button", name="Use it").click()
    await expect(nudge.get_by_text("Used", exact=True)).to_be_visible()
    await expect(ada.locator(".turn__state:visible")).to_have_count(0)
    assert proxy.refused >= 3
    await ada.reload()
    await live(ada)
    await expect(ada.locator(".turn--own .said__text")).to_have_text([STUCK])
    await expect((await nudged(ada)).get_by_text("Used", exact=True)).to_be_visible()


async def test_where_sockets_are_swallowed_one_is_enough_to_know(
    open_window: OpenWindow, room: Room, proxy: Proxy
) -> None:
    proxy.swallows = True
    page = await open_window("phone", at=proxy.url)
    await join(page, room, "Ada")
    await say(page, STUCK)
    await nudged(page)
    assert proxy.refused == 1


async def test_a_facilitator_sees_releases_and_sends(board: Page, ada: Page) -> None:
    await board.get_by_role("radio", name="Review").check()
    await expect(ada.locator("#banner")).to_be_visible()
    await say(ada, STUCK)
    await expect(board.locator("#timeline").get_by_text(STUCK)).to_be_visible()
    await board.get_by_role("button", name="Release").click()
    await nudged(ada)
    await board.get_by_text("Write your own").click()
    await board.get_by_label("Your card").fill("What would you say first?")
    await board.get_by_role("button", name="Send it").click()
    card = (await nudged(ada, 2)).locator(".nudge__text")
    await expect(card).to_have_text("What would you say first?")
    await expect(board.locator("#timeline").get_by_text("To Ada")).to_be_visible()


async def test_words_said_while_it_was_cut_arrive_once_and_in_order(ada: Page) -> None:
    await ada.context.set_offline(True)
    await expect(ada.locator("#line")).to_have_attribute("data-state", "offline")
    said = [f"Right, number {number}." for number in range(6)]
    for words in said:
        await say(ada, words)
    await ada.context.set_offline(False)
    await live(ada)
    await expect(ada.locator(".turn__state:visible")).to_have_count(0)
    await ada.reload()
    await expect(ada.locator(".turn--own .said__text")).to_have_text(said)


async def test_a_stream_that_is_cut_goes_on_where_it_was(ada: Page, proxy: Proxy) -> None:
    await say(ada, STUCK)
    await nudged(ada)
    asked: list[str] = []
    ada.on("request", lambda request: asked.append(request.url))
    proxy.cut()
    await expect(ada.locator("#line")).to_have_attribute("data-state", "lost")
    await live(ada)
    await say(ada, "How do I begin that talk?")
    await nudged(ada, 2)
    assert [url for url in asked if "/stream/?place=" in url]
    assert not [url for url in asked if "/events/" in url]


async def test_a_socket_is_tried_again_when_the_stream_has_ended(ada: Page, proxy: Proxy) -> None:
    sockets: list[WebSocket] = []
    ada.on("websocket", lambda socket: sockets.append(socket))
    proxy.lets_sockets_through = True
    proxy.cut()
    await expect(ada.locator("#line")).to_have_attribute("data-state", "lost")
    await live(ada)
    await say(ada, STUCK)
    await nudged(ada)
    assert len(sockets) == 1
    assert not sockets[0].is_closed()


async def test_who_is_sent_away_is_told_without_a_socket_too(ada: Page, room: Room) -> None:
    seats = Member.objects.filter(session_id=room.session, role=Member.Role.PARTICIPANT)
    await seats.aupdate(removed_at="2026-01-01T00:00Z")
    await expect(ada.locator("#line")).to_have_attribute("data-state", "closed")

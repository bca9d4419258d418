"""People for the live tests: Ada consents, Ben declines, Fay facilitates, Zoe is of elsewhere."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from coach.demo.load import Demo
from coach.live.client import LiveClient, Rest, Ticket, rest
from coach.live.server import Server

EVERYTHING = {
    "coaching": ["utterance", "recent_turns", "display_name", "role", "goal", "profile_note"],
    "facilitator_view": ["utterance", "display_name", "goal"],
}

# The limits that a server has without this suite's own, which leave a slow machine more.
SHIPPED = {"NUDGE_MS": "650", "TERMINAL_MS": "1300"}


@dataclass
class Room:
    """A session of the demo's facilitator, and the ways into it."""

    api: Rest
    server: Server
    session: str
    code: str

    async def ticket(self, name: str, consent: dict[str, list[str]], **about: str) -> Ticket:
        return await self.api.join(self.code, name, consent, **about)

    def console(self) -> LiveClient:
        return LiveClient(self.server.ws, Ticket(self.session, "", self.api.token))

    async def control(self, **action: object) -> object:
        return await self.api.call("POST", f"sessions/{self.session}/control/", action)


OpenRoom = Callable[[Server], Awaitable[Room]]


@pytest.fixture
async def open_room(demo: Demo) -> AsyncIterator[OpenRoom]:
    """Opens sessions on any server, facilitated by Fay, with no cooldown."""
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:

        async def open_on(server: Server) -> Room:
            api = await stack.enter_async_context(rest(server.http, demo.token or ""))
            made = await api.call(
                "POST", "sessions/", {"title": f"Test {uuid.uuid4().hex[:6]}", "cooldown_s": 0}
            )
            return Room(api, server, made["id"], made["join_code"])

        yield open_on


@pytest.fixture
async def room(open_room: OpenRoom, real_server: Server) -> Room:
    return await open_room(real_server)


@pytest.fixture
async def ada(room: Room) -> AsyncIterator[LiveClient]:
    """Ada allows coaching and lets the facilitator see."""
    async with LiveClient(room.server.ws, await room.ticket("Ada", EVERYTHING)) as ada:
        yield ada


@pytest.fixture
async def ben(room: Room) -> AsyncIterator[LiveClient]:
    """Ben stays and allows nothing."""
    async with LiveClient(room.server.ws, await room.ticket("Ben", {})) as ben:
        yield ben


@pytest.fixture
async def fay(room: Room) -> AsyncIterator[LiveClient]:
    console = room.console()
    await console.open(as_role="facilitator")
    yield console
    await console.close()

"""A real Chromium, with a window of their own for everybody in a story."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    StorageState,
    async_playwright,
    expect,
)

from coach.demo.load import Demo
from coach.live.client import rest
from tests.browser.chromium import launch
from tests.browser.people import Room, facilitate, log_in

Size = Literal["phone", "laptop", "narrow"]
Scheme = Literal["light", "dark"]
OpenWindow = Callable[..., Awaitable[Page]]
OpenRoom = Callable[[str], Awaitable[Room]]

SIZES_PX: dict[Size, tuple[int, int]] = {
    "phone": (390, 844),
    "laptop": (1280, 800),
    "narrow": (320, 640),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.browser)


# How long a page may take to show what it is asked for, beside all else that two cores do.
PATIENCE_MS = 15_000


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def facilitator_cookies(chromium: Browser, live_server_url: str) -> StorageState:
    """What a browser keeps after the demo's facilitator has logged in."""
    context = await chromium.new_context(base_url=live_server_url, service_workers="block")
    await log_in(await context.new_page(), "/console/")
    kept = await context.storage_state()
    await context.close()
    return kept


@pytest.fixture
async def open_window(
    chromium: Browser, live_server_url: str, facilitator_cookies: StorageState
) -> AsyncIterator[OpenWindow]:
    """`await open_window("phone", "dark")` gives a page in a browser profile of its own.

    It is logged in for a `facilitator`, else unknown. A script that fails, or anything the content
    policy stops, fails the test.
    """
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    async def open_one(
        size: Size = "phone",
        scheme: Scheme = "light",
        *,
        facilitator: bool = False,
        workers: bool = False,
        locale: str = "en-GB",
        at: str = "",
    ) -> Page:
        width, height = SIZES_PX[size]
        context = await chromium.new_context(
            base_url=at or live_server_url,
            storage_state=facilitator_cookies if facilitator else None,
            viewport={"width": width, "height": height},
            device_scale_factor=2 if size == "phone" else 1,
            has_touch=size == "phone",
            color_scheme=scheme,
            reduced_motion="reduce",
            locale=locale,
            service_workers="allow" if workers else "block",
        )
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.extend(_policy_faults(message)))
        return page

    yield open_one
    for context in contexts:
        await context.close()
    assert faults == []


@pytest.fixture
async def open_room(live_server_url: str, demo: Demo) -> AsyncIterator[OpenRoom]:
    """`await open_room("Title")` opens a session in which every turn may get a nudge."""
    async with rest(live_server_url, demo.token or "") as api:

        async def open_one(title: str) -> Room:
            made = await api.call("POST", "sessions/", {"title": title, "cooldown_s": 0})
            return Room(made["id"], made["join_code"])

        yield open_one


@pytest.fixture
async def room(open_room: OpenRoom) -> Room:
    return await open_room("Thursday check-in")


@pytest.fixture
async def board(open_window: OpenWindow, room: Room) -> Page:
    """The room as its facilitator sees it."""
    page = await open_window("laptop", facilitator=True)
    await facilitate(page, room)
    return page


def _policy_faults(message: ConsoleMessage) -> list[str]:
    return [message.text] if "Content Security Policy" in message.text else []

"""Every page: free of accessibility faults, installable, and with no memory of what was said."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenWindow, Scheme, Size
from tests.browser.people import (
    CRISIS,
    STUCK,
    Room,
    facilitate,
    join,
    nudged,
    open_join,
    say,
)

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS: list[tuple[Size, Scheme]] = [("phone", "light"), ("laptop", "dark")]


async def landing(page: Page, _room: Room) -> None:
    await page.goto("/")


async def choosing(page: Page, room: Room) -> None:
    await open_join(page, room)
    await page.get_by_role("button", name="Allow all but the sensitive").click()


async def unknown_code(page: Page, _room: Room) -> None:
    await page.goto("/join/?code=NOSUCH")
    await expect(page.get_by_text("No open session has the code")).to_be_visible()


async def talking(page: Page, room: Room) -> None:
    await join(page, room, "Ada")
    await say(page, STUCK)
    await (await nudged(page)).get_by_role("button", name="More answers").click()
    await say(page, CRISIS)
    await expect(page.locator(".crisis")).to_be_visible()


async def asking_why(page: Page, room: Room) -> None:
    await join(page, room, "Ada")
    await say(page, STUCK)
    await (await nudged(page)).get_by_role("button", name="Why this?").click()
    await expect(page.locator("#why-content")).to_be_visible()


async def my_data(page: Page, room: Room) -> None:
    await join(page, room, "Ada")
    await say(page, STUCK)
    await nudged(page)
    await page.get_by_role("link", name="My data").click()
    await expect(page.locator("#uses .use").first).to_be_visible()


async def login(page: Page, _room: Room) -> None:
    await page.goto("/accounts/login/")


async def console(page: Page, _room: Room) -> None:
    await page.goto("/console/")
    await expect(page.locator("#sessions li").first).to_be_visible()


async def board(page: Page, room: Room) -> None:
    await facilitate(page, room)
    other = await page.context.new_page()
    await join(other, room, "Ada")
    await say(other, STUCK)
    await page.locator(".trace summary").click()
    await say(other, CRISIS)
    await expect(page.locator(".alert")).to_be_visible()
    await page.get_by_label("Search the playbook").fill("listening")
    await expect(page.locator("#found li").first).to_be_visible()


async def ended(page: Page, room: Room) -> None:
    await facilitate(page, room)
    other = await page.context.new_page()
    await join(other, room, "Ada")
    await say(other, STUCK)
    await expect(page.locator(".nudged")).to_be_visible()
    await page.get_by_role("button", name="End session").click()
    await page.get_by_role("dialog").get_by_role("button", name="End session").click()
    await expect(page.locator("#summary tbody tr").first).to_be_visible()


async def offline(page: Page, _room: Room) -> None:
    await page.goto("/offline/")


async def nowhere(page: Page, _room: Room) -> None:
    await page.goto("/sessions/0c0ffee0-0000-4000-8000-0000000000aa/")


Reach = Callable[[Page, Room], Awaitable[None]]
PAGES: list[Reach] = [
    landing, choosing, unknown_code, talking, asking_why, my_data, login, console, board, ended,
    offline, nowhere,
]  # fmt: skip


@pytest.mark.parametrize("reach", PAGES, ids=lambda reach: reach.__name__)
@pytest.mark.parametrize(("size", "scheme"), LOOKS, ids=["phone", "laptop"])
async def test_a_page_has_no_accessibility_fault_and_fits_its_screen(
    open_window: OpenWindow, room: Room, reach: Reach, size: Size, scheme: Scheme
) -> None:
    page = await open_window(size, scheme, facilitator=reach in (console, board, ended))
    await reach(page, room)
    found = await Axe().run(page, options={"runOnly": STANDARDS})
    faults = found.response["violations"]
    assert [(f["id"], [n["target"] for n in f["nodes"]]) for f in faults] == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_it_can_be_installed(open_window: OpenWindow) -> None:
    page = await open_window(workers=True)
    await page.goto("/")
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    devtools = await page.context.new_cdp_session(page)
    assert (await devtools.send("Page.getAppManifest"))["errors"] == []
    hindrances = (await devtools.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    # A test's profile is a private one, in which nothing can be installed.
    assert {fault["errorId"] for fault in hindrances} <= {"in-incognito"}
    manifest: dict[str, Any] = await page.evaluate(
        "fetch('/manifest.webmanifest').then((answer) => answer.json())"
    )
    for icon in manifest["icons"]:
        answer = await page.request.get(icon["src"])
        assert answer.headers["content-type"] == "image/png"


async def test_the_service_worker_keeps_no_personal_text(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window(workers=True)
    await page.goto("/")
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await join(page, room, "Wilhelmina")
    await say(page, STUCK)
    await nudged(page)
    kept: str = await page.evaluate(KEPT)
    assert "You are offline" in kept
    assert "Wilhelmina" not in kept
    assert "inheritance" not in kept


async def test_without_a_connection_a_page_says_so_and_comes_back(open_window: OpenWindow) -> None:
    page = await open_window(workers=True)
    await page.goto("/")
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await page.reload()
    await page.context.set_offline(True)
    await page.goto("/console/")
    await expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    await page.context.set_offline(False)
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=10_000)


# Everything that outlives the page: the worker's caches, and both storages.
KEPT = """async () => {
  const kept = [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      kept.push(request.url, await (await cache.match(request)).text());
    }
  }
  return kept.join("\\n");
}"""

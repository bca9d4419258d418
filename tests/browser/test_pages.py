"""Every page: free of accessibility faults, installable, and with no memory of what was said."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenWindow, Scheme, Size
from tests.browser.people import (
    COACHING,
    CRISIS,
    REFLECTION,
    STUCK,
    TOLD,
    Room,
    end_session,
    facilitate,
    join,
    nudged,
    open_join,
    say,
)

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS: list[tuple[Size, Scheme, str]] = [
    ("phone", "light", "en-GB"),
    ("phone", "dark", "ar"),
    ("laptop", "dark", "en-GB"),
    ("laptop", "light", "ar"),
    # A window of 1,280 pixels at 400 %, and about a phone's at 200 % (WCAG 1.4.10).
    ("narrow", "light", "de"),
]


async def landing(page: Page, _room: Room) -> None:
    await page.goto("/")


async def choosing(page: Page, room: Room) -> None:
    await open_join(page, room)
    await page.locator(".purpose__why button").first.click()


async def unknown_code(page: Page, _room: Room) -> None:
    await page.goto("/join/?code=NOSUCH")
    await expect(page.locator("#unknown")).to_be_visible()


async def talking(page: Page, room: Room) -> None:
    await join(page, room, "Ada")
    await say(page, STUCK)
    await (await nudged(page)).locator("[data-slot=more]").click()
    await say(page, CRISIS)
    await expect(page.locator(".crisis")).to_be_visible()


async def asking_why(page: Page, room: Room) -> None:
    await join(page, room, "Ada")
    await say(page, STUCK)
    await (await nudged(page)).locator("[data-slot=why]").click()
    await expect(page.locator("#why-content")).to_be_visible()


async def wishing(page: Page, room: Room) -> None:
    await join(page, room, "Ada")
    await page.locator("#wish").click()
    await page.locator("[data-minutes='10']").click()
    await expect(page.locator("#wishes [data-slot=resting]")).to_be_visible()


async def my_data(page: Page, room: Room) -> None:
    await join(page, room, "Ada", allow=(COACHING, REFLECTION))
    await say(page, STUCK)
    await nudged(page)
    await page.goto(f"{room.path}my-data/")
    await expect(page.locator("#uses .use").first).to_be_visible()


async def reading_all(page: Page, room: Room) -> None:
    await join(page, room, "Ada")
    await page.goto(f"{room.path}my-data/export/")


async def receipt(page: Page, _room: Room) -> None:
    await page.goto("/receipt/")


async def login(page: Page, _room: Room) -> None:
    await page.goto("/accounts/login/")


async def second_factor(page: Page, _room: Room) -> None:
    await page.goto("/accounts/second-factor/")


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
    await page.locator("#search").fill("listening")
    await expect(page.locator("#found li").first).to_be_visible()


async def inviting(page: Page, room: Room) -> None:
    await facilitate(page, room)
    await page.locator("#invite").click()
    await expect(page.locator(".invite__qr")).to_be_visible()


async def ended(page: Page, room: Room) -> None:
    await facilitate(page, room)
    other = await page.context.new_page()
    await join(other, room, "Ada", allow=TOLD)
    await say(other, STUCK)
    await expect(page.locator(".nudged")).to_be_visible()
    await end_session(page)
    await expect(page.locator("#summary tbody tr").first).to_be_visible()


async def reflecting(page: Page, room: Room) -> None:
    await ended(page, room)
    await page.goto(f"{room.path}my-data/")
    await written(page)


async def handing_over(page: Page, room: Room) -> None:
    await ended(page, room)
    await page.goto(f"{room.board}summary/")
    await written(page)


async def replaying(page: Page, room: Room) -> None:
    await ended(page, room)
    await page.goto(f"{room.board}replay/")
    await expect(page.locator("#player")).to_be_visible()
    await page.locator("#scrub").press("End")


async def written(page: Page) -> None:
    await page.locator("#report [data-slot=write]").click()
    await expect(page.locator("#report [data-slot=remove]")).to_be_visible()


async def offline(page: Page, _room: Room) -> None:
    await page.goto("/offline/")


async def nowhere(page: Page, _room: Room) -> None:
    await page.goto("/sessions/0c0ffee0-0000-4000-8000-0000000000aa/")


Reach = Callable[[Page, Room], Awaitable[None]]
PAGES: list[Reach] = [
    landing, choosing, unknown_code, talking, asking_why, wishing, my_data, reading_all, receipt,
    login, offline, nowhere,
]  # fmt: skip
DESK: list[Reach] = [
    second_factor, console, board, inviting, ended, reflecting, handing_over, replaying,
]  # fmt: skip


# What still scrolls may be half under something else for a moment, and then counts as too small.
AT_REST = """() => new Promise((done) => {
  const places = () =>
    [...document.querySelectorAll("*")].map((each) => each.scrollTop).filter(Boolean).join();
  let before = places();
  let still = 0;
  const look = () => {
    const now = places();
    still = now === before ? still + 1 : 0;
    before = now;
    if (still > 20) done();
    else requestAnimationFrame(look);
  };
  look();
})"""


@pytest.mark.parametrize("reach", [*PAGES, *DESK], ids=lambda reach: reach.__name__)
@pytest.mark.parametrize(
    ("size", "scheme", "locale"), LOOKS, ids=["-".join(look) for look in LOOKS]
)
async def test_a_page_has_no_accessibility_fault_and_fits_its_screen(
    open_window: OpenWindow, room: Room, reach: Reach, size: Size, scheme: Scheme, locale: str
) -> None:
    page = await open_window(size, scheme, facilitator=reach in DESK, locale=locale)
    await reach(page, room)
    await page.evaluate(AT_REST)
    found = await Axe().run(page, options={"runOnly": STANDARDS})
    faults = found.response["violations"]
    assert [
        (f["id"], [(n["target"], n["failureSummary"]) for n in f["nodes"]]) for f in faults
    ] == []
    assert await page.evaluate(STICKING_OUT) == []
    spoken = await page.evaluate("[document.documentElement.lang, document.documentElement.dir]")
    assert spoken == [locale.partition("-")[0], "rtl" if locale == "ar" else "ltr"]


async def test_what_is_chosen_is_seen_without_backgrounds(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window("laptop", facilitator=True)
    await page.emulate_media(forced_colors="active")
    await facilitate(page, room)
    lines = "all => all.map((span) => getComputedStyle(span).outlineStyle)"
    assert (await page.locator(".modes span").evaluate_all(lines)).count("solid") == 1


async def test_a_language_is_chosen_on_the_page_and_stays(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window()
    await page.goto(f"/join/?code={room.code}")
    await page.get_by_role("button", name="العربيّة").click()
    await expect(page.locator("#notice-title")).to_have_text("ما الذي يجوز استخدامه في هذه الجلسة")
    await join(page, room, "Ada")
    await expect(page.locator("#line")).to_have_text("مباشر")
    await say(page, CRISIS)
    await expect(page.locator(".crisis h2")).to_have_text("لست مضطرًا إلى مواجهة هذا وحدك")
    await page.goto("/")
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", name="A coach at your side")).to_be_visible()


async def test_playbook_words_are_marked_as_their_own_language(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window(locale="ar")
    await join(page, room, "Ada")
    await say(page, STUCK)
    words = (await nudged(page)).locator(".nudge__text")
    assert await words.evaluate("(p) => [p.lang, getComputedStyle(p).direction]") == ["en", "ltr"]


async def test_the_offline_page_is_kept_in_the_language_chosen_last(
    open_window: OpenWindow,
) -> None:
    page = await open_window(workers=True)
    await page.goto("/")
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await page.get_by_role("button", name="Deutsch").click()
    for _ in range(100):
        if "Du bist offline" in await page.evaluate(KEPT):
            break
        await page.wait_for_timeout(50)
    kept: str = await page.evaluate(KEPT)
    assert "Du bist offline" in kept
    assert "You are offline" not in kept


async def test_an_app_that_can_be_installed_offers_it_once(open_window: OpenWindow) -> None:
    page = await open_window(workers=True)
    await page.goto("/")
    button = page.get_by_role("button", name="Install the app")
    await expect(button).to_be_hidden()
    await page.evaluate(
        "dispatchEvent(Object.assign(new Event('beforeinstallprompt', { cancelable: true }),"
        " { prompt: () => (window.asked = (window.asked ?? 0) + 1) }))"
    )
    await button.click()
    assert await page.evaluate("asked") == 1
    await page.evaluate("dispatchEvent(new Event('appinstalled'))")
    await expect(button).to_be_hidden()


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


# What makes a page wider than its window.
STICKING_OUT = """() => {
  if (document.documentElement.scrollWidth <= innerWidth) return [];
  return [...document.querySelectorAll("body *")].filter((part) => {
    const { left, right } = part.getBoundingClientRect();
    return right > innerWidth + 1 || left < -1;
  }).map((part) => `${part.tagName} ${part.id} ${part.className}`);
}"""

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

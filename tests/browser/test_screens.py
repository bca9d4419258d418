"""The pictures in `docs/screens`, taken on the way through one session."""

from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenRoom, OpenWindow
from tests.browser.desk import enter
from tests.browser.people import (
    COACHING,
    CRISIS,
    FACILITATOR_VIEW,
    REFLECTION,
    Room,
    facilitate,
    join,
    nudged,
    open_join,
    say,
)

SCREENS = Path(__file__).parents[2] / "docs" / "screens"
MOST_BYTES = 300_000
TOLD = (COACHING, FACILITATOR_VIEW, REFLECTION)


async def picture(page: Page, name: str) -> None:
    path = SCREENS / f"{name}.png"
    await page.mouse.move(0, 0)
    await page.evaluate("document.fonts.ready.then(() => true)")
    await page.screenshot(path=path, animations="disabled", caret="hide")
    assert path.stat().st_size < MOST_BYTES


async def test_a_session_as_its_people_see_it(open_window: OpenWindow, open_room: OpenRoom) -> None:
    room = await open_room("Thursday check-in")
    laptop = await open_window("laptop", facilitator=True)
    laptop_dark = await open_window("laptop", "dark", facilitator=True)
    await facilitate(laptop, room)
    await facilitate(laptop_dark, room)
    phone, phone_dark = await open_window("phone"), await open_window("phone", "dark")
    await picture_of_consent(phone, room)
    await join(phone, room, "Ada", goal="Hand over more, and sooner")
    await join(phone_dark, room, "Jonas")
    quiet = await open_window("phone")
    await join(quiet, room, "Mei", allow=(COACHING,))

    await say(phone, "I gave Tom the report, then I took it back and did it myself.")
    await (await nudged(phone)).get_by_role("button", name="Use it").click()
    await say(quiet, "I keep saying yes when I already have too much to do.")
    await nudged(quiet)
    await say(phone_dark, "I talk too much when they go quiet.")
    await nudged(phone_dark)
    await say(phone, "I want to delegate more, but I keep checking every detail.")
    await nudged(phone, 2)
    for board in (laptop, laptop_dark):
        await expect(board.locator(".nudged")).to_have_count(4)
        await board.locator(".trace summary").last.click()
        await board.locator("#timeline > li").last.scroll_into_view_if_needed()
    await picture(phone, "participant-phone-light")
    await picture(phone_dark, "participant-phone-dark")
    await picture(laptop, "console-laptop-light")
    await picture(laptop_dark, "console-laptop-dark")
    await phone.get_by_role("link", name="My data").click()
    await expect(phone.locator("#uses .use").first).to_be_visible()
    await picture(phone, "my-data-phone-light")
    await show(phone, "#uses-title")
    await picture(phone, "shared-phone-light")
    await show(phone, "#receipts-title")
    await picture(phone, "receipts-phone-light")


async def test_after_a_session(open_window: OpenWindow, open_room: OpenRoom) -> None:
    room = await open_room("Thursday check-in")
    laptop = await open_window("laptop", facilitator=True)
    dark = await open_window("laptop", "dark", facilitator=True)
    await facilitate(laptop, room)
    await laptop.get_by_role("button", name="Code").click()
    await picture(laptop, "invite-laptop-light")
    await laptop.keyboard.press("Escape")
    phone, phone_dark = await open_window("phone"), await open_window("phone", "dark")
    await join(phone, room, "Ada", allow=TOLD)
    await join(phone_dark, room, "Jonas", allow=TOLD)
    await phone.get_by_role("button", name="Nudges for you").click()
    await picture(phone, "wishes-phone-light")
    await phone.keyboard.press("Escape")
    for turn in (
        "I gave Tom the report, then I took it back and did it myself.",
        "What would happen if I let him finish it his own way?",
        "I will ask him on Monday, and I will not correct the first draft.",
    ):
        await say(phone, turn)
        await expect(phone.locator(".turn--own").last.locator(".turn__state")).to_be_hidden()
        await laptop.wait_for_timeout(1_500)
    await (
        (await nudged(phone, await phone.locator(".turn--nudge").count()))
        .locator("[data-verdict=accepted]")
        .click()
    )
    await say(phone_dark, CRISIS)
    await expect(laptop.locator(".alert")).to_be_visible()
    await picture(laptop, "alert-laptop-light")
    await expect(phone_dark.locator(".crisis")).to_be_visible()
    await picture(phone_dark, "crisis-phone-dark")
    await laptop.get_by_role("button", name="I am with them").click()
    await laptop.get_by_role("button", name="End session").click()
    await laptop.get_by_role("dialog").get_by_role("button", name="End session").click()
    await phone.get_by_role("button", name="Write my reflection").click()
    await expect(phone.locator(".point").first).to_be_visible()
    await show(phone, "#report")
    await picture(phone, "reflection-phone-light")
    await laptop.goto(f"{room.board}summary/")
    await laptop.get_by_role("button", name="Write the summary").click()
    await expect(laptop.locator(".point").first).to_be_visible()
    await picture(laptop, "summary-laptop-light")
    for page, name in ((laptop, "replay-laptop-light"), (dark, "replay-laptop-dark")):
        await page.goto(f"{room.board}replay/")
        await expect(page.locator("#player")).to_be_visible()
        await page.locator("#scrub").press("End")
        await page.locator("#scrub").press("ArrowLeft")
        await picture(page, name)
    await laptop.goto("/console/")
    await expect(laptop.locator("#sessions li").first).to_be_visible()
    await picture(laptop, "sessions-laptop-light")


async def test_from_right_to_left(open_window: OpenWindow, open_room: OpenRoom) -> None:
    room = await open_room("جلسة الخميس")
    board = await open_window("laptop", facilitator=True, locale="ar")
    await facilitate(board, room)
    phone = await open_window("phone", locale="ar")
    dark = await open_window("phone", "dark", locale="ar")
    await phone.goto("/")
    await picture(phone, "landing-phone-light-ar")
    await open_join(phone, room)
    await show(phone, "#notice-title")
    await picture(phone, "consent-phone-light-ar")
    await join(phone, room, "ليلى")
    await join(dark, room, "Jonas")
    for page in (phone, dark):
        await say(page, "I gave Tom the report, then I took it back and did it myself.")
        await nudged(page)
    await expect(board.locator(".nudged")).to_have_count(2)
    await board.locator(".trace summary").last.click()
    await picture(phone, "participant-phone-light-ar")
    await dark.locator("[data-slot=why]").click()
    await expect(dark.locator("#why-content")).to_be_visible()
    await picture(dark, "why-phone-dark-ar")
    await picture(board, "console-laptop-light-ar")
    await phone.goto(f"{room.path}my-data/")
    await expect(phone.locator("#uses .use").first).to_be_visible()
    await picture(phone, "my-data-phone-light-ar")


async def show(page: Page, part: str) -> None:
    await page.evaluate(f"document.querySelector('{part}').scrollIntoView({{ block: 'start' }})")


async def test_a_receipt_is_checked(open_window: OpenWindow, room: Room, scratch: Path) -> None:
    phone = await open_window("phone")
    await join(phone, room, "Ada")
    await phone.get_by_role("link", name="My data").click()
    async with phone.expect_download() as started:
        await phone.locator("#receipts button").first.click()
    file = scratch / "receipt.json"
    await (await started.value).save_as(file)
    await phone.get_by_role("main").get_by_role("link", name="Check a receipt").click()
    await phone.set_input_files("#file", file)
    await expect(phone.get_by_text("This receipt is ours")).to_be_visible()
    await picture(phone, "receipt-phone-light")
    forged = scratch / "forged.json"
    forged.write_text(file.read_text().replace('"consent"', '"export"', 1))
    await phone.set_input_files("#file", forged)
    await expect(phone.get_by_text("or it was changed")).to_be_visible()


async def picture_of_consent(page: Page, room: Room) -> None:
    await open_join(page, room)
    await page.evaluate("document.querySelector('.purpose').scrollIntoView({ block: 'start' })")
    await picture(page, "consent-phone-light")


async def test_the_first_page_and_the_desk(open_window: OpenWindow) -> None:
    page = await open_window("laptop")
    await page.goto("/")
    await picture(page, "landing-laptop-light")
    await enter(page, "/admin/rag/playbook/")
    await expect(page.get_by_role("link", name="Sidecoach demo")).to_be_visible()
    await picture(page, "admin-laptop-light")

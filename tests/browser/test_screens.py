"""The pictures in `docs/screens`, taken on the way through one session."""

from pathlib import Path

from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.async_api import Page, expect

from coach.demo.load import ADMIN, ADMIN_PASSWORD, second_factor_code
from tests.browser.conftest import OpenRoom, OpenWindow
from tests.browser.people import COACHING, Room, facilitate, join, nudged, open_join, say

SCREENS = Path(__file__).parents[2] / "docs" / "screens"
MOST_BYTES = 300_000


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
    await phone.get_by_role("link", name="Check a receipt").click()
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
    # A code is good for one use, and another test may have used this half minute's.
    TOTPDevice.objects.filter(user__username=ADMIN).update(last_t=-1)
    await page.goto("/admin/rag/playbook/")
    await page.get_by_label("User name").fill(ADMIN)
    await page.get_by_label("Password").fill(ADMIN_PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_label("Code").fill(second_factor_code())
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("link", name="Sidecoach demo")).to_be_visible()
    await picture(page, "admin-laptop-light")

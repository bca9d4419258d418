"""The pictures in `docs/screens`, taken on the way through one session."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenRoom, OpenWindow, Scheme
from tests.browser.desk import enter
from tests.browser.people import (
    COACHING,
    CRISIS,
    TOLD,
    Room,
    end_session,
    facilitate,
    join,
    nudged,
    open_join,
    say,
)
from tests.browser.pictures import picture


@dataclass(frozen=True)
class Look:
    """A scheme and a language, with a title and a name as they would be there."""

    scheme: Scheme
    locale: str
    title: str
    name: str

    def __str__(self) -> str:
        return self.scheme if self.locale == "en-GB" else f"{self.scheme}-{self.locale}"


LOOKS = (
    Look("dark", "en-GB", "Thursday check-in", "Ada"),
    Look("light", "de", "Runde am Donnerstag", "Jürgen"),
    Look("light", "ar", "جلسة الخميس", "ليلى"),
)


async def test_a_session_as_its_people_see_it(open_window: OpenWindow, open_room: OpenRoom) -> None:
    room = await open_room("Thursday check-in")
    laptop = await open_window("laptop", facilitator=True)
    await facilitate(laptop, room)
    phone, other = await open_window("phone"), await open_window("phone")
    await picture_of_consent(phone, room)
    await join(phone, room, "Ada", goal="Hand over more, and sooner")
    await join(other, room, "Jonas")
    quiet = await open_window("phone")
    await join(quiet, room, "Mei", allow=(COACHING,))

    await say(phone, "I gave Tom the report, then I took it back and did it myself.")
    await (await nudged(phone)).get_by_role("button", name="Use it").click()
    await say(quiet, "I keep saying yes when I already have too much to do.")
    await nudged(quiet)
    await say(other, "I talk too much when they go quiet.")
    await nudged(other)
    await say(phone, "I want to delegate more, but I keep checking every detail.")
    await nudged(phone, 2)
    await expect(laptop.locator(".nudged")).to_have_count(4)
    await laptop.locator(".trace summary").last.click()
    await laptop.locator("#timeline > li").last.scroll_into_view_if_needed()
    await picture(phone, "participant-phone-light")
    await picture(laptop, "console-laptop-light")
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
    await end_session(laptop)
    await phone.get_by_role("button", name="Write my reflection").click()
    await expect(phone.locator(".point").first).to_be_visible()
    await show(phone, "#report")
    await picture(phone, "reflection-phone-light")
    await laptop.goto(f"{room.board}summary/")
    await laptop.get_by_role("button", name="Write the summary").click()
    await expect(laptop.locator(".point").first).to_be_visible()
    await picture(laptop, "summary-laptop-light")
    await laptop.goto(f"{room.board}replay/")
    await expect(laptop.locator("#player")).to_be_visible()
    await laptop.locator("#scrub").press("End")
    await laptop.locator("#scrub").press("ArrowLeft")
    await picture(laptop, "replay-laptop-light")
    await laptop.goto("/console/")
    await expect(laptop.locator("#sessions li").first).to_be_visible()
    await picture(laptop, "sessions-laptop-light")


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look.scheme}-{look.locale}")
async def test_the_main_pages_in_another_look(
    open_window: OpenWindow, open_room: OpenRoom, look: Look
) -> None:
    room = await open_room(look.title)
    board = await open_window("laptop", look.scheme, facilitator=True, locale=look.locale)
    phone = await open_window("phone", look.scheme, locale=look.locale)
    await facilitate(board, room)
    await phone.goto("/")
    await picture(phone, f"landing-phone-{look}")
    await open_join(phone, room)
    await show(phone, "#notice-title")
    await picture(phone, f"consent-phone-{look}")
    await join(phone, room, look.name, allow=TOLD)
    await say(phone, "I gave Tom the report, then I took it back and did it myself.")
    await (await nudged(phone)).locator("[data-verdict=accepted]").click()
    await say(phone, "I want to delegate more, but I keep checking every detail.")
    await nudged(phone, 2)
    await picture(phone, f"participant-phone-{look}")
    await phone.locator("[data-slot=why]").last.click()
    await expect(phone.locator("#why-content")).to_be_visible()
    await picture(phone, f"why-phone-{look}")
    await expect(board.locator(".nudged")).to_have_count(2)
    await board.locator(".trace summary").last.click()
    await board.locator("#timeline > li").last.scroll_into_view_if_needed()
    await picture(board, f"console-laptop-{look}")
    await phone.goto(f"{room.path}my-data/")
    await expect(phone.locator("#uses .use").first).to_be_visible()
    await picture(phone, f"my-data-phone-{look}")
    await phone.goto(f"{room.path}my-data/export/")
    await picture(phone, f"export-phone-{look}")
    await end_session(board)
    await expect(board.locator("#summary tbody tr").first).to_be_visible()
    await board.goto(f"{room.board}summary/")
    await board.locator("#report [data-slot=write]").click()
    await expect(board.locator(".point").first).to_be_visible()
    await picture(board, f"summary-laptop-{look}")
    await board.goto(f"{room.board}replay/")
    await expect(board.locator("#player")).to_be_visible()
    await board.locator("#scrub").press("End")
    await picture(board, f"replay-laptop-{look}")
    await board.goto("/console/")
    await expect(board.locator("#sessions li").first).to_be_visible()
    await picture(board, f"sessions-laptop-{look}")
    await board.goto("/")
    await picture(board, f"landing-laptop-{look}")


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

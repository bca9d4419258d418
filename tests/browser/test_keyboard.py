"""Each face's main stories by keys alone, with the focus seen at every step and never lost."""

import json
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from rag.models import Playbook
from tests.browser.conftest import OpenWindow, Size
from tests.browser.desk import enter
from tests.browser.keyboard import Keys
from tests.browser.people import COACHING, CRISIS, STUCK, Room, join, live, nudged, say

TURNS = (
    "How do I begin that talk without blaming her?",
    "I keep saying yes when I already have too much to do.",
)
CARDS = (
    {"id": "one", "title": "Ask before you tell", "body": "Ask what they have tried already."},
    {"id": "two", "title": "Wait", "body": "Let the silence last a little longer than you like."},
)


@pytest.mark.parametrize("size", ["phone", "laptop"])
async def test_a_participant_needs_no_mouse(
    open_window: OpenWindow, room: Room, size: Size
) -> None:
    page = await open_window(size)
    keys = Keys(page)
    await page.goto("/")
    await keys.to("Join code")
    await keys.write(room.code)
    await keys.press("Enter")
    await expect(page.locator("#join")).to_be_visible()
    await keys.to("Your name here")
    await keys.write("Ada")
    await keys.to("Allow all but the sensitive")
    await keys.press("Enter")
    await expect(page.locator(f"#purposes input[name={COACHING}]:checked")).to_have_count(5)
    await keys.to("Join with my choices")
    await keys.press("Enter")
    await live(page)

    await keys.to("What you want to say")
    await keys.write(STUCK)
    await keys.press("Enter")
    nudge = await nudged(page)
    await keys.on("What you want to say")
    await keys.to("Why this?", back=True)
    await keys.press("Enter")
    await expect(page.locator("#why-content")).to_be_visible()
    await keys.press("Escape")
    await keys.on("Why this?")
    await keys.to("Use it")
    await keys.press("Space")
    await expect(nudge.get_by_text("Used", exact=True)).to_be_visible()
    await keys.sees()

    nudge = await said_by_keys(keys, TURNS[0], 2)
    await keys.to("Change it", back=True)
    await keys.press("Enter")
    await keys.on("How you would put it")
    await keys.press("ControlOrMeta+a")
    await keys.write("What would she want to hear first?")
    await keys.to("Use my version")
    await keys.press("Enter")
    await expect(nudge.get_by_text("Changed and used")).to_be_visible()
    await keys.sees()

    nudge = await said_by_keys(keys, TURNS[1], 3)
    await keys.to("More answers", back=True)
    await keys.press("Enter")
    await keys.to("Not relevant")
    await keys.to("Dismiss", back=True)
    await keys.press("Enter")
    await expect(nudge.get_by_text("Dismissed")).to_be_visible()
    await keys.sees()

    await keys.to("My data", back=True)
    await keys.press("Enter")
    await expect(page.locator("#uses .use").first).to_be_visible()
    await keys.to("Give me nudges: My goal")
    await keys.press("Space")
    taken = page.get_by_role("switch", name="Give me nudges: My goal")
    await expect(taken).not_to_be_checked()
    await keys.on("Give me nudges: My goal")
    await keys.to("Withdraw everything", back=True)
    await keys.press("Enter")
    await expect(page.locator("#purposes [aria-checked=true]")).to_have_count(0)
    await keys.on("Give me nudges")
    await keys.to("Erase my data")
    await keys.press("Enter")
    await keys.on("Keep my data")
    await keys.press("Escape")
    await keys.on("Erase my data")


async def said_by_keys(keys: Keys, words: str, count: int):
    await keys.to("What you want to say")
    await keys.write(words)
    await keys.press("Enter")
    return await nudged(keys.page, count)


@pytest.fixture
async def console(open_window: OpenWindow) -> Page:
    page = await open_window("laptop", facilitator=True)
    await page.goto("/console/")
    await expect(page.locator("#new option:not([value=''])").first).to_be_attached()
    return page


async def test_a_session_is_opened_by_keys(console: Page) -> None:
    keys = Keys(console)
    await keys.to("Title")
    await keys.write("Friday retrospective")
    await keys.to("Open it")
    await keys.press("Enter")
    await live(console)
    await keys.press("i")
    await keys.on("Copy the link")
    await keys.press("Escape")
    await expect(console.get_by_role("dialog")).to_have_count(0)


async def test_a_facilitator_needs_no_mouse(
    open_window: OpenWindow, console: Page, room: Room
) -> None:
    keys = Keys(console)
    await console.goto(room.board)
    await live(console)
    ada = await open_window("phone")
    await join(ada, room, "Ada")

    await keys.press("2")
    await expect(ada.locator("#banner")).to_be_visible()
    await say(ada, STUCK)
    await expect(console.locator("#held li")).to_have_count(1)
    await keys.press("r")
    await nudged(ada)
    await say(ada, TURNS[0])
    await keys.to("The nudge, to change if you like")
    await keys.press("End")
    await keys.write(" What then?")
    await keys.to("Release")
    await keys.press("Enter")
    await nudged(ada, 2)
    await keys.on("What is said, and what comes back")

    await keys.press("/")
    await keys.on("Search the playbook")
    await keys.write("silence and listening")
    await expect(console.locator("#found li").first).to_be_visible()
    await keys.to("Send")
    await keys.press("Enter")
    await nudged(ada, 3)
    await keys.on("Sent")

    await keys.to("Pause nudges for Ada", back=True)
    await keys.press("Enter")
    await expect(ada.get_by_text("paused nudges for you")).to_be_visible()
    await keys.on("Resume nudges for Ada")
    await keys.press("4")
    await expect(console.get_by_role("radio", name="Paused")).to_be_checked()
    await keys.press("1")
    await expect(console.get_by_role("radio", name="Auto")).to_be_checked()

    await keys.press("k")
    await keys.on("Keep AI on")
    await keys.to("Stop all AI")
    await keys.press("Enter")
    await expect(console.get_by_text("AI is off.")).to_be_visible()
    await keys.sees()

    await say(ada, CRISIS)
    await expect(console.locator(".alert")).to_be_visible()
    await keys.to("I am with them", back=True)
    await keys.press("Enter")
    await expect(console.locator(".alert")).to_have_count(0)
    await keys.on("What is said, and what comes back")

    await keys.press("?")
    await expect(console.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await keys.on("Single-key shortcuts are on")
    await keys.press("Escape")
    await keys.on("What is said, and what comes back")
    await keys.to("End session", back=True)
    await keys.press("Enter")
    await keys.on("Go on")
    await keys.to("End session")
    await keys.press("Enter")
    await expect(console.get_by_role("region", name="How it went")).to_be_visible()
    await keys.on("Open it again")


async def test_two_alerts_are_seen_to_one_after_the_other(
    open_window: OpenWindow, console: Page, room: Room
) -> None:
    keys = Keys(console)
    await console.goto(room.board)
    await live(console)
    for name in ("Ada", "Bea"):
        phone = await open_window("phone")
        await join(phone, room, name)
        await say(phone, CRISIS)
    await expect(console.locator(".alert")).to_have_count(2)
    await keys.to("I am with them")
    await keys.press("Enter")
    await expect(console.locator(".alert")).to_have_count(1)
    await keys.on("I am with them")
    await keys.press("Enter")
    await expect(console.locator(".alert")).to_have_count(0)
    await keys.on("What is said, and what comes back")


async def test_an_administrator_needs_no_mouse(open_window: OpenWindow, tmp_path: Path) -> None:
    page = await open_window("laptop")
    await enter(page, "/admin/playbooks/")
    name = "Trial by keys"
    for version, cards in enumerate((CARDS[:1], CARDS), start=1):
        file = tmp_path / f"cards-{version}.jsonl"
        file.write_text("\n".join(json.dumps(card) for card in cards))
        await bring_in(Keys(page), name, file)
        await publish(Keys(page), version)
        live_now = await Playbook.objects.select_related("live_version").aget(name=name)
        assert live_now.live_version is not None
        assert live_now.live_version.number == version
        await page.goto("/admin/playbooks/")

    await page.goto("/admin/rag/playbook/")
    await choose_and_run(Keys(page), name, "Roll back to the version before")
    await expect(page.get_by_text("is live")).to_be_visible()
    back = await Playbook.objects.select_related("live_version").aget(name=name)
    assert back.live_version is not None
    assert back.live_version.number == 1


async def bring_in(keys: Keys, name: str, file: Path) -> None:
    """A file is looked at dry, then stored as a draft; ends at the draft's links."""
    page = keys.page
    while await page.evaluate("document.activeElement.name !== 'playbook'"):
        await keys.to("Playbook")
    await keys.write(name)
    await keys.to("File")
    async with page.expect_file_chooser() as chooser:
        await keys.press("Space")
    await (await chooser.value).set_files(file)
    await keys.to("Read the file")
    await keys.press("Enter")
    await expect(page.get_by_role("heading", name="What it would bring")).to_be_visible(
        timeout=30_000
    )
    await keys.to("Store it as a draft")
    await keys.press("Enter")
    await expect(page.get_by_role("heading", name="It is a draft now")).to_be_visible(
        timeout=30_000
    )


async def publish(keys: Keys, number: int) -> None:
    await keys.to("Publish it")
    await keys.press("Enter")
    await keys.page.wait_for_url("**/playbookversion/**")
    await choose_and_run(keys, f"{number}", "Publish")
    await expect(keys.page.get_by_text("is live")).to_be_visible(timeout=30_000)


async def choose_and_run(keys: Keys, row: str, action: str) -> None:
    """Tick the row that is called so, choose an action for it, and run it."""
    page = keys.page
    box = page.locator("#result_list tr", has_text=row).first.locator("input.action-select")
    for _ in range(120):
        await keys.press("Tab")
        if await box.evaluate("it => it === document.activeElement"):
            break
    else:
        raise AssertionError(f"Tab never reached the box of {row!r}")
    await keys.sees()
    await keys.press("Space")
    select = page.locator("select[name=action]")
    for _ in range(120):
        await keys.press("Tab")
        if await select.evaluate("it => it === document.activeElement"):
            break
    else:
        raise AssertionError("Tab never reached the actions")
    await keys.write(action)
    await expect(select.locator("option:checked")).to_have_text(action)
    await keys.to("Run")
    await keys.press("Enter")

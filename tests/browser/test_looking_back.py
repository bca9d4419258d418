"""After a session: the participant's reflection, the facilitator's summary, and the replay."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenWindow
from tests.browser.people import (
    COACHING,
    CRISIS,
    STUCK,
    TOLD,
    Room,
    Wiretap,
    end_session,
    focus_by_tab,
    join,
    live,
    nudged,
    say,
)


@pytest.fixture
async def ada(open_window: OpenWindow, room: Room, board: Page) -> Page:
    page = await open_window("phone")
    await join(page, room, "Ada", allow=TOLD)
    await say(page, STUCK)
    await (await nudged(page)).get_by_role("button", name="Use it").click()
    return page


async def end(board: Page) -> None:
    await expect(board.locator(".nudged")).not_to_have_count(0)
    await end_session(board)


async def test_a_reflection_is_written_where_the_session_ended(board: Page, ada: Page) -> None:
    await expect(ada.get_by_role("heading", name="Looking back")).to_be_hidden()
    await end(board)
    await ada.get_by_role("button", name="Write my reflection").click()
    reflection = ada.get_by_role("region", name="Looking back")
    await expect(reflection.get_by_text("Put together without AI")).to_be_visible()
    await expect(reflection.get_by_role("heading", name="Talk balance")).to_be_visible()
    await reflection.get_by_role("button", name="Show what it rests on").first.click()
    await expect(ada.locator(".turn--own").first).to_be_focused()


async def test_the_live_line_tells_that_a_reflection_is_done(board: Page, ada: Page) -> None:
    line = Wiretap(ada)
    await ada.reload()
    await live(ada)
    await end(board)
    looks: list[str] = []
    ada.on("request", lambda asked: looks.append(asked.url) if "/reports/" in asked.url else None)
    await ada.get_by_role("button", name="Write my reflection").click()
    # Well before the page would look by itself.
    await expect(ada.get_by_role("button", name="Write it again")).to_be_visible(timeout=4_000)
    # Asking for it, looking once, and then only when told to.
    assert len(looks) <= 2 + len(line.of("report.progress")) + len(line.of("report.done"))


async def test_what_was_masked_is_called_what_it_is(board: Page, ada: Page) -> None:
    await say(ada, "Katarzyna Nowak told me to write to k.nowak@example.org about it.")
    masked = board.locator("#timeline .mask")
    await expect(masked).to_have_text(["a name", "a mail address"])
    await expect(ada.locator(".turn--own").last).to_contain_text("k.nowak@example.org")
    await board.goto(f"{board.url}replay/")
    await expect(board.locator("#player")).to_be_visible()
    await board.locator("#scrub").press("End")
    await expect(masked).to_have_text(["a name", "a mail address"])
    assert not re.search(r"\[[A-Z_]+-", await board.locator("main").inner_text())


async def test_a_reflection_is_found_again_deleted_and_written_anew(board: Page, ada: Page) -> None:
    await end(board)
    await ada.get_by_role("button", name="Write my reflection").click()
    await expect(ada.get_by_role("button", name="Write it again")).to_be_visible()
    await ada.get_by_role("link", name="My data").click()
    reflection = ada.get_by_role("region", name="Looking back")
    await expect(reflection.locator(".point")).not_to_have_count(0)
    await reflection.get_by_role("button", name="Delete it").click()
    await expect(reflection.locator(".point")).to_have_count(0)
    await reflection.get_by_role("button", name="Write my reflection").click()
    await expect(reflection.locator(".point")).not_to_have_count(0)


async def test_who_did_not_allow_a_reflection_is_shown_where_to(
    open_window: OpenWindow, room: Room, board: Page, ada: Page
) -> None:
    ben = await open_window("phone")
    await join(ben, room, "Ben", allow=(COACHING,))
    await say(ben, STUCK)
    await nudged(ben)
    await end(board)
    reflection = ben.get_by_role("region", name="Looking back")
    await expect(reflection.get_by_text("You have not allowed your words")).to_be_visible()
    await expect(reflection.get_by_role("button", name="Write my reflection")).to_be_hidden()
    await reflection.get_by_role("link", name="Allow it").click()
    await ben.get_by_role("switch", name="Write me a reflection: What I say").click()
    await reflection.get_by_role("button", name="Write my reflection").click()
    await expect(reflection.locator(".point")).not_to_have_count(0)


async def test_what_is_withdrawn_takes_the_reflection_with_it(board: Page, ada: Page) -> None:
    await end(board)
    await ada.get_by_role("button", name="Write my reflection").click()
    await expect(ada.get_by_role("button", name="Write it again")).to_be_visible()
    await ada.get_by_role("link", name="My data").click()
    reflection = ada.get_by_role("region", name="Looking back")
    await expect(reflection.locator(".point")).not_to_have_count(0)
    await ada.get_by_role("switch", name="Write me a reflection: What I say").click()
    await expect(reflection.locator(".point")).to_have_count(0)
    await expect(reflection.get_by_text("You have not allowed your words")).to_be_visible()


async def test_a_summary_is_handed_over_in_words_and_numbers(board: Page, ada: Page) -> None:
    await end(board)
    await board.get_by_role("link", name="Hand-over summary").click()
    await board.get_by_role("button", name="Write the summary").click()
    words = board.get_by_role("region", name="In words")
    await expect(words.get_by_role("heading", name="Talk balance")).to_be_visible()
    numbers = board.get_by_role("region", name="How it went")
    await expect(numbers.get_by_role("row", name="Participant 2 1 100%")).to_be_visible()


async def test_without_anybodys_leave_a_summary_has_no_words(
    open_window: OpenWindow, room: Room, board: Page
) -> None:
    ben = await open_window("phone")
    await join(ben, room, "Ben", allow=(COACHING,))
    await say(ben, STUCK)
    await nudged(ben)
    await end(board)
    await board.get_by_role("link", name="Hand-over summary").click()
    await board.get_by_role("button", name="Write the summary").click()
    await expect(board.get_by_text("Nobody in this session allows")).to_be_visible()


async def test_a_session_is_played_again_to_and_fro_by_keyboard(board: Page, ada: Page) -> None:
    await say(ada, CRISIS)
    await expect(board.locator(".alert")).to_be_visible()
    await board.goto(f"{board.url}replay/")
    turns = board.locator("#timeline > li")
    await expect(
        board.get_by_role("img", name=re.compile("^Ada: said 2, nudges 1"))
    ).to_be_visible()
    await focus_by_tab(board, "Place in the session")
    await board.keyboard.press("End")
    await expect(turns).to_have_count(2)
    await expect(turns.first.get_by_text("Used", exact=True)).to_be_visible()
    await expect(turns.last.get_by_text("A help card was shown at once.")).to_be_visible()
    await board.keyboard.press("Home")
    await expect(turns).not_to_have_count(2)
    await board.keyboard.press(".")
    await expect(turns).not_to_have_count(0)
    await board.get_by_label("Speed").select_option("64")
    await board.locator("#scroll").focus()
    await board.keyboard.press("p")
    await expect(turns).to_have_count(2)
    await expect(board.get_by_role("button", name="Play")).to_be_visible()


async def test_a_replay_says_what_was_withheld_and_what_was_erased(
    open_window: OpenWindow, room: Room, board: Page, ada: Page
) -> None:
    ben = await open_window("phone")
    await join(ben, room, "Ben", allow=(COACHING,))
    await say(ben, "Nobody but the coach should read how I begin this.")
    await nudged(ben)
    await ada.get_by_role("link", name="My data").click()
    await ada.get_by_role("button", name="Erase my data").click()
    await ada.get_by_role("button", name="Erase it for good").click()
    await expect(ada.get_by_text("is erased")).to_be_visible()
    await board.goto(f"{board.url}replay/")
    await expect(board.locator("#player")).to_be_visible()
    await board.locator("#scrub").press("End")
    await expect(board.get_by_text("Words not shown to you")).to_be_visible()
    await expect(board.get_by_text("Something here was erased.").first).to_be_visible()
    content = await board.content()
    assert "Nobody but the coach" not in content
    assert STUCK not in content

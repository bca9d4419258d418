"""A facilitator's stories, on the real server."""

import asyncio
import time

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenWindow
from tests.browser.people import (
    COACHING,
    CRISIS,
    STUCK,
    Room,
    Wiretap,
    end_session,
    facilitate,
    join,
    live,
    log_in,
    nudged,
    say,
    uneasy,
)


@pytest.fixture
async def ada(open_window: OpenWindow, room: Room, board: Page) -> Page:
    page = await open_window("phone")
    await join(page, room, "Ada")
    return page


async def test_a_session_is_opened_and_its_code_lets_people_in(open_window: OpenWindow) -> None:
    board = await open_window("laptop")
    await log_in(board, "/console/")
    await board.get_by_label("Title").fill("Friday retrospective")
    await board.get_by_role("button", name="Open it").click()
    await live(board)
    await board.get_by_role("button", name="Code").click()
    code = await board.locator(".invite__code").inner_text()
    phone = await open_window("phone")
    await phone.goto("/")
    await phone.get_by_label("Join code").fill(code.lower())
    await phone.get_by_role("button", name="Join", exact=True).click()
    await expect(phone.get_by_role("heading", name="Friday retrospective")).to_be_visible()


async def test_words_are_seen_only_where_their_speaker_allows_it(
    open_window: OpenWindow, room: Room, board: Page, ada: Page
) -> None:
    ben = await open_window("phone")
    await join(ben, room, "Ben", allow=(COACHING,))
    await say(ada, STUCK)
    await say(ben, "Nobody but the coach should read how I begin this.")
    talk = board.locator("#timeline")
    await expect(talk.get_by_text(STUCK)).to_be_visible()
    await expect(talk.get_by_text("Words not shown to you")).to_be_visible()
    await expect(board.get_by_text("Nobody but the coach")).to_have_count(0)
    await expect(board.get_by_text("Ben", exact=True)).to_have_count(0)
    assert "Nobody but the coach" not in await board.content()


async def test_words_that_may_weigh_more_are_marked_where_they_may_be_read(
    open_window: OpenWindow, room: Room, board: Page, ada: Page
) -> None:
    ben = await open_window("phone")
    await join(ben, room, "Ben", allow=(COACHING,))
    await say(ben, uneasy())
    await expect(ben.locator(".help")).to_be_visible()
    await say(ada, uneasy())
    await expect(board.get_by_text("may weigh more than it sounds")).to_have_count(1)
    await expect(board.locator(".alert")).to_have_count(0)


async def test_a_nudge_shows_how_it_was_made_and_what_became_of_it(board: Page, ada: Page) -> None:
    await say(ada, STUCK)
    nudge = await nudged(ada)
    made = board.locator(".nudged").first
    await made.get_by_text("Trace").click()
    for stage in ("redact", "disclose", "read", "finish"):
        await expect(made.locator(".stages").get_by_text(stage)).to_be_visible()
    assert await made.locator("tbody tr").count() > 1
    await nudge.get_by_role("button", name="Use it").click()
    await expect(made.get_by_text("Used", exact=True)).to_be_visible()
    await expect(board.locator("#used")).to_have_text("100%")


async def test_one_person_can_be_paused_and_resumed(board: Page, ada: Page) -> None:
    wire = Wiretap(ada)
    await ada.reload()
    await live(ada)
    await board.get_by_role("button", name="Pause nudges for Ada").click()
    await expect(ada.get_by_text("paused nudges for you")).to_be_visible()
    await ada.reload()
    await expect(ada.get_by_text("paused nudges for you")).to_be_visible()
    await say(ada, STUCK)
    assert (await wire.until("no_nudge"))["reason"] == "paused"
    await board.get_by_role("button", name="Resume nudges for Ada").click()
    await expect(ada.get_by_text("paused nudges for you")).to_be_hidden()
    await say(ada, STUCK)
    await nudged(ada)


async def test_a_card_from_the_playbook_reaches_the_phone(board: Page, ada: Page) -> None:
    await board.get_by_label("Search the playbook").fill("silence and listening")
    found = board.locator("#found li").first
    words = await found.locator(".found__text").inner_text()
    await found.get_by_role("button", name="Send").click()
    nudge = await nudged(ada)
    await expect(nudge.locator(".nudge__text")).to_have_text(words)
    await expect(nudge.get_by_text("Facilitator", exact=True)).to_be_visible()
    await expect(board.locator("#timeline").get_by_text("To Ada")).to_be_visible()


async def test_in_review_nothing_arrives_before_it_is_released(board: Page, ada: Page) -> None:
    await board.get_by_role("radio", name="Review").check()
    await expect(ada.get_by_text("looks at each nudge")).to_be_visible()
    await say(ada, STUCK)
    held = board.locator("#held .held__text")
    await expect(held).to_be_visible()
    await expect(ada.locator(".turn--nudge")).to_have_count(0)
    words = await held.input_value()
    await board.get_by_role("button", name="Release").click()
    await expect((await nudged(ada)).locator(".nudge__text")).to_have_text(words)

    await say(ada, "How do I begin that talk?")
    await held.fill("What would a good first sentence be?")
    await board.get_by_role("button", name="Release").click()
    changed = (await nudged(ada, 2)).locator(".nudge__text")
    await expect(changed).to_have_text("What would a good first sentence be?")

    await say(ada, "And what if she says no again?")
    await expect(held).to_be_visible()
    await board.get_by_role("button", name="Hold back").click()
    await expect(board.locator("#timeline").get_by_text("Held back")).to_be_visible()
    await expect(ada.locator(".turn--nudge")).to_have_count(2)


async def test_all_ai_is_stopped_and_the_playbook_goes_on(board: Page, ada: Page) -> None:
    await board.keyboard.press("k")
    await board.get_by_role("button", name="Stop all AI").last.click()
    await expect(board.get_by_text("AI is off.")).to_be_visible()
    await expect(ada.get_by_text("AI is switched off.")).to_be_visible()
    await say(ada, STUCK)
    nudge = await nudged(ada)
    await nudge.get_by_role("button", name="Why this?").click()
    await expect(ada.get_by_text("word for word: AI is switched off.")).to_be_visible()


async def test_words_of_self_harm_show_help_and_alert_within_a_second(
    board: Page, ada: Page
) -> None:
    said_at = time.monotonic()
    await say(ada, CRISIS)
    lane = board.locator(".alert--urgent")
    await asyncio.gather(
        expect(ada.get_by_role("link", name="Call").first).to_be_visible(),
        expect(lane).to_contain_text("Ada: words about self-harm."),
    )
    assert time.monotonic() - said_at < 1.0
    await expect(ada.get_by_role("heading", name="You do not have to be alone")).to_be_visible()
    await expect(ada.locator(".turn--nudge")).to_have_count(0)
    await lane.get_by_role("button", name="Show in the talk").click()
    await expect(board.locator(".entry.is-escalated")).to_be_focused()
    assert await board.evaluate("document.scrollingElement.scrollTop") == 0
    await lane.get_by_role("button", name="I am with them").click()
    await expect(lane).to_have_count(0)


async def test_who_sees_to_an_alert_is_known_at_every_console(
    open_window: OpenWindow, room: Room, board: Page, ada: Page
) -> None:
    other = await open_window("laptop", facilitator=True)
    await facilitate(other, room)
    await say(ada, CRISIS)
    for page in (board, other):
        await expect(page.locator(".alert--urgent")).to_be_visible()
    await board.get_by_role("button", name="I am with them").click()
    for page in (board, other):
        await expect(page.locator(".alert")).to_have_count(0)
    await expect(other.locator("#polite")).to_contain_text("sees to it")
    await other.reload()
    await live(other)
    await expect(other.locator(".entry.is-escalated")).to_be_visible()
    await expect(other.locator(".alert")).to_have_count(0)


async def test_an_alert_stays_until_the_server_knows_who_sees_to_it(board: Page, ada: Page) -> None:
    await say(ada, CRISIS)
    lane = board.locator(".alert--urgent")
    await board.route("**/acknowledge/", lambda route: route.abort())
    await lane.get_by_role("button", name="I am with them").click()
    await expect(lane.get_by_text("cannot be reached")).to_be_visible()
    await board.unroute("**/acknowledge/")
    await lane.get_by_role("button", name="I am with them").click()
    await expect(lane).to_have_count(0)


async def test_numbers_follow_the_talk(board: Page, ada: Page) -> None:
    await say(ada, STUCK)
    await nudged(ada)
    row = board.locator("#balance li", has_text="Ada")
    await expect(row.get_by_role("img", name="Ada: 1 turns")).to_be_visible()
    await expect(board.locator("#latency rect")).to_have_count(1)
    await expect(board.locator("#open-of")).to_have_text("Turns read: 1")
    await say(ada, "What would she want to hear first?")
    await expect(row.get_by_role("img", name="Ada: 2 turns")).to_be_visible()
    await expect(board.locator("#latency rect")).to_have_count(2)


async def test_sessions_are_listed_with_their_state(board: Page, ada: Page) -> None:
    await board.keyboard.press("k")
    await board.get_by_role("button", name="Stop all AI").last.click()
    await expect(board.get_by_text("AI is off.")).to_be_visible()
    own = board.url.rstrip("/").rpartition("/")[2]
    await board.goto("/console/")
    row = board.locator("#sessions li", has=board.locator(f"a[href*='{own}']"))
    await expect(row.get_by_text("AI off")).to_be_visible()
    await expect(row.get_by_text("Open", exact=True)).to_be_visible()
    await row.get_by_role("link", name="Thursday check-in").click()
    await end_session(board)
    await expect(board.get_by_role("region", name="How it went")).to_be_visible()
    await board.goto("/console/")
    await expect(row.get_by_text("Ended")).to_be_visible()
    await row.get_by_role("link", name="Replay").click()
    await expect(board.get_by_text("Nothing happened in this session.")).to_be_visible()


async def test_a_nudge_reported_as_unsafe_is_looked_at(board: Page, ada: Page) -> None:
    await say(ada, STUCK)
    nudge = await nudged(ada)
    await nudge.get_by_role("button", name="More answers").click()
    await nudge.get_by_role("button", name="This is unsafe").click()
    await expect(
        board.get_by_role("region", name="Urgent").get_by_text("Ada reported a nudge as unsafe.")
    ).to_be_visible()


@pytest.mark.parametrize(
    "text", ['Ask <img src="//evil.example/x"> once', "Read [this](https://evil.example/)"]
)
async def test_a_hostile_card_is_words_or_refused(board: Page, ada: Page, text: str) -> None:
    await board.get_by_text("Write your own").click()
    await board.get_by_label("Your card").fill(text)
    await board.get_by_role("button", name="Send it").click()
    refused = board.locator("#fault")
    shown = board.locator("#timeline .nudged__text")
    await expect(refused.or_(shown).first).to_be_visible()
    for page in (board, ada):
        await expect(page.locator("main :is(img, script, a[href*=evil])")).to_have_count(0)


async def test_the_end_brings_a_summary_and_closes_the_room(board: Page, ada: Page) -> None:
    await say(ada, STUCK)
    await (await nudged(ada)).get_by_role("button", name="Use it").click()
    await expect(board.locator("#used")).to_have_text("100%")
    await end_session(board)
    summary = board.get_by_role("region", name="How it went")
    await expect(summary.get_by_role("row", name="Participant 2 1 100%")).to_be_visible()
    await expect(summary.get_by_role("row", name="Playbook 1 1 0")).to_be_visible()
    await expect(ada.get_by_text("This session has ended.")).to_be_visible()
    await expect(ada.locator("#composer")).to_be_hidden()


async def test_what_is_erased_leaves_the_open_board(board: Page, ada: Page) -> None:
    await say(ada, STUCK)
    await expect(board.get_by_text(STUCK)).to_be_visible()
    await ada.get_by_role("link", name="My data").click()
    await ada.get_by_role("button", name="Erase my data").click()
    await ada.get_by_role("button", name="Erase it for good").click()
    await expect(board.get_by_text(STUCK)).to_have_count(0)
    await expect(board.get_by_text("Ada", exact=True)).to_have_count(0)


async def test_a_board_asks_for_a_log_in_and_a_room_for_a_seat(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window("laptop")
    await page.goto(room.board)
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    answer = await page.goto(room.path)
    assert answer is not None
    assert answer.status == 404

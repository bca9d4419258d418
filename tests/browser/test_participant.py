"""A participant's stories, on the real server."""

import json
import re

import psycopg
import pytest
from axe_playwright_python.async_playwright import Axe
from django.core.management import call_command
from playwright.async_api import Page, Request, Route, expect

from coach.demo.load import Demo
from coach.live.client import rest
from consent import notices
from rag.models import Passage
from tests.browser.conftest import OpenWindow, Size
from tests.browser.people import (
    STUCK,
    Room,
    Wiretap,
    join,
    live,
    nudged,
    open_join,
    say,
    uneasy,
)

HOSTILE = (
    '<img src="//evil.example/x.png" onerror="document.title=1"> [tap](https://evil.example/) '
    "![p](https://evil.example/p.png) <script>document.title=2</script> what should I ask?"
)


# A browser's speech recognition, which hears what the test says.
RECOGNITION = """
window.SpeechRecognition = class extends EventTarget {
  start() { window.listening = this; }
  stop() { this.dispatchEvent(new Event("end")); }
};
window.heard = (transcript, isFinal) => listening.dispatchEvent(Object.assign(
  new Event("result"), { results: [Object.assign([{ transcript }], { isFinal })], resultIndex: 0 },
));
"""


@pytest.fixture(params=["phone", "laptop"])
def size(request: pytest.FixtureRequest) -> Size:
    chosen: Size = request.param
    return chosen


async def test_nothing_is_chosen_beforehand(
    open_window: OpenWindow, room: Room, size: Size
) -> None:
    page = await open_window(size)
    await open_join(page, room)
    assert await page.locator("#purposes input").count() > 5
    await expect(page.locator("#purposes input:checked")).to_have_count(0)


async def test_who_comes_with_a_whole_room_at_once_gets_in_without_asking_again(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window()
    asked = 0

    async def busy(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked > 2:
            await route.continue_()
        else:
            await route.fulfill(status=503, json={"title": "Overloaded", "status": 503})

    await page.route("**/sessions/join", busy)
    await open_join(page, room)
    await page.fill("#name", "Ada")
    await page.click("#decline")
    # A second and then two, by chance up to half as long again.
    await expect(page.locator("#line[data-state=live]")).to_be_visible(timeout=15_000)
    assert asked == 3


async def test_a_nudge_comes_with_its_source_and_its_reasons(
    open_window: OpenWindow, room: Room, size: Size
) -> None:
    page = await open_window(size)
    await join(page, room, "Ada", goal="Speak up earlier")
    await say(page, STUCK)
    nudge = await nudged(page)
    await expect(nudge.get_by_text(re.compile("^From “.+”$"))).to_be_visible()

    await nudge.get_by_role("button", name="Why this?").click()
    why = page.get_by_role("dialog", name="Why this nudge?")
    words = await nudge.locator(".nudge__text").inner_text()
    await expect(why.locator("blockquote")).to_have_text(words)
    await expect(why.get_by_text("version 1")).to_be_visible()
    await expect(why.get_by_text("your goal")).to_be_visible()
    await page.keyboard.press("Escape")

    await nudge.get_by_role("button", name="Use it").click()
    await expect(nudge.get_by_text("Used", exact=True)).to_be_visible()
    await expect(nudge.get_by_role("button", name="Use it")).to_be_hidden()


async def test_verdicts_and_ones_own_version_are_there_after_a_reload(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window()
    wire = Wiretap(page)
    await join(page, room, "Ada")
    await say(page, STUCK)
    nudge = await nudged(page)
    await nudge.get_by_role("button", name="Change it").click()
    await nudge.get_by_label("How you would put it").fill("What am I really avoiding?")
    await nudge.get_by_role("button", name="Use my version").click()
    await expect(nudge.get_by_text("Changed and used")).to_be_visible()
    await wire.until("nudge.feedback")
    await page.reload()
    nudge = await nudged(page)
    await expect(nudge.get_by_text("Changed and used")).to_be_visible()
    await expect(nudge.locator(".nudge__text")).to_have_text("What am I really avoiding?")


async def test_later_lets_nudges_rest(open_window: OpenWindow, room: Room) -> None:
    page = await open_window()
    wire = Wiretap(page)
    await join(page, room, "Ada")
    await say(page, STUCK)
    nudge = await nudged(page)
    await nudge.get_by_role("button", name="More answers").click()
    await nudge.get_by_role("button", name="Later").click()
    await expect(nudge.get_by_text("Nudges rest for a while")).to_be_visible()
    await wire.until("nudge.feedback")
    await say(page, "How do I begin that talk?")
    assert (await wire.until("no_nudge"))["reason"] == "snoozed"


async def test_how_many_nudges_come_is_ones_own_choice(
    open_window: OpenWindow, room: Room, size: Size
) -> None:
    page = await open_window(size)
    wire = Wiretap(page)
    await join(page, room, "Ada")
    await page.get_by_role("button", name="Nudges for you").click()
    await page.get_by_role("radio", name="None").check()
    await wire.until("wishes.changed")
    await page.keyboard.press("Escape")
    await say(page, STUCK)
    await wire.until("no_nudge")
    await page.reload()
    await live(page)
    await page.get_by_role("button", name="Nudges for you").click()
    await expect(page.get_by_role("radio", name="None")).to_be_checked()
    await page.get_by_role("radio", name="More").check()
    await page.get_by_role("button", name="10 minutes").click()
    await expect(page.get_by_text("Nudges rest until")).to_be_visible()
    await page.get_by_role("button", name="Go on now").click()
    await expect(page.get_by_text("Nudges rest until")).to_be_hidden()
    await page.get_by_role("checkbox", name="Folded, until I open them").check()
    await page.keyboard.press("Escape")
    await say(page, "How do I begin that talk?")
    nudge = await nudged(page)
    await expect(nudge.locator(".nudge__text")).to_be_hidden()
    await expect(page.locator("#polite")).to_have_text("A nudge is waiting.")
    await nudge.get_by_role("button", name="Open it").click()
    await expect(nudge.locator(".nudge__text")).to_be_visible()


async def test_a_nudge_is_read_out_once(open_window: OpenWindow, room: Room) -> None:
    page = await open_window()
    await join(page, room, "Ada")
    await page.evaluate(
        "new MutationObserver(() => (window.read ??= []).push("
        "document.getElementById('polite').textContent))"
        ".observe(document.getElementById('polite'), { childList: true })"
    )
    await say(page, STUCK)
    words = await (await nudged(page)).locator(".nudge__text").inner_text()
    await expect(page.locator("#polite")).to_contain_text(words)
    read: list[str] = await page.evaluate("read.filter((words) => words)")
    assert read == [f"Nudge, Playbook: {words}"]


async def test_speech_is_a_draft_while_it_lasts_and_an_utterance_at_a_pause(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window()
    sent: list[dict[str, str]] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda data: sent.append(json.loads(data))),
    )
    await page.add_init_script(RECOGNITION)
    await join(page, room, "Ada")
    await page.get_by_role("button", name="Speak").click()
    await page.get_by_role("button", name="Start speaking").click()
    await expect(page.get_by_role("button", name="Stop speaking")).to_be_visible()
    await page.evaluate("heard('I keep putting off', false)")
    await expect(page.locator("#words")).to_have_value("I keep putting off")
    await page.evaluate("heard('I keep putting off the report.', true)")
    own = page.locator(".turn--own .said__text")
    await expect(own).to_have_text("I keep putting off the report.")
    await expect(page.locator("#words")).to_have_value("")
    said = [(frame["type"], frame["text"]) for frame in sent if "text" in frame]
    assert said == [
        ("draft", "I keep putting off"),
        ("utterance", "I keep putting off the report."),
    ]


async def test_a_suggestion_from_outside_says_where_it_is_from(
    open_window: OpenWindow, room: Room, demo: Demo, live_server_url: str
) -> None:
    page = await open_window()
    await join(page, room, "Ada")
    passage = Passage.objects.filter(version__playbook__name="Sidecoach demo")[0]
    suggestion = {"session": room.session, "engine": "elsewhere", "passage": str(passage.id)}
    async with rest(live_server_url, demo.token or "") as api:
        await api.call("POST", "suggestions/", suggestion)
    nudge = await nudged(page)
    await expect(nudge.get_by_text("From outside", exact=True)).to_be_visible()
    await nudge.get_by_role("button", name="Why this?").click()
    await expect(page.get_by_text("Suggested by a program outside Sidecoach")).to_be_visible()


async def test_words_that_may_weigh_more_come_with_people_to_turn_to(
    open_window: OpenWindow, room: Room, size: Size
) -> None:
    page = await open_window(size)
    await join(page, room, "Ada")
    await say(page, uneasy())
    help_at_hand = page.locator(".help")
    await expect(help_at_hand).to_be_visible()
    await expect(page.locator(".crisis")).to_have_count(0)
    await expect(help_at_hand.locator(".contact").first).to_be_hidden()
    await help_at_hand.locator("summary").press("Enter")
    await expect(help_at_hand.locator(".contact").first).to_be_visible()
    found = await Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()
    await page.reload()
    await expect(page.locator(".help")).to_be_visible()


async def test_who_shares_nothing_stays_and_nothing_is_used(
    open_window: OpenWindow, room: Room, size: Size
) -> None:
    page = await open_window(size)
    wire = Wiretap(page)
    await join(page, room, "Ben", allow=())
    await say(page, STUCK)
    assert (await wire.until("no_nudge"))["reason"] == "no_consent"
    await expect(page.get_by_text(STUCK)).to_be_visible()
    await expect(page.locator(".turn--nudge")).to_have_count(0)
    await page.get_by_role("link", name="My data").click()
    used = page.locator("#uses")
    await expect(page.locator("#no-uses, #uses .use").first).to_be_visible()
    await expect(used.locator(".chip--on")).to_have_count(0)


async def test_one_tap_takes_it_back_for_the_next_words(
    open_window: OpenWindow, room: Room, size: Size
) -> None:
    page = await open_window(size)
    await join(page, room, "Ada")
    await say(page, STUCK)
    await nudged(page)
    await page.get_by_role("link", name="My data").click()
    await expect(page.locator("#uses .use").first).to_be_visible()
    await page.get_by_role("switch", name="Give me nudges: What I say").click()
    await expect(page.get_by_role("switch", name="Give me nudges: What I say")).not_to_be_checked()
    wire = Wiretap(page)
    await page.get_by_role("link", name="Back to the session").click()
    await live(page)
    await expect(page.get_by_text("Nudges may use nothing of yours")).to_be_visible()
    await say(page, "How do I begin that talk?")
    await wire.until("no_nudge")
    await expect(page.locator(".turn--nudge")).to_have_count(1)


async def test_a_new_notice_asks_again_in_the_middle_of_a_session(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window()
    await join(page, room, "Ada")
    old = notices.current()
    words = notices.Words("Read this anew", "Something changed.", {}, {})
    notices.publish({old.locale: words})
    await expect(page.locator("#sharing")).to_contain_text("read it and chosen again")
    await say(page, STUCK)
    await expect(page.locator(".turn--own")).to_have_count(1)
    await page.get_by_role("link", name="Change").click()
    await expect(page.get_by_role("heading", name="Read this anew")).to_be_visible()
    for field in ("What I say", "My goal"):
        await page.get_by_role("switch", name=f"Give me nudges: {field}").click()
        await expect(page.get_by_role("switch", name=f"Give me nudges: {field}")).to_be_checked()
    await page.get_by_role("link", name="Back to the session").click()
    await live(page)
    await say(page, "How do I begin that talk?")
    await nudged(page)


async def test_what_was_told_can_be_put_right(open_window: OpenWindow, room: Room) -> None:
    page = await open_window()
    await join(page, room, "Ada", goal="Leave at five")
    await page.get_by_role("link", name="My data").click()
    goal = page.get_by_label("What do you want from this session?")
    await expect(goal).to_have_value("Leave at five")
    await goal.fill("Leave at four")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Correction, notice")).to_be_visible()
    await page.reload()
    await expect(goal).to_have_value("Leave at four")
    await page.get_by_role("link", name="Read it here").click()
    await expect(page.get_by_text("Leave at four")).to_be_visible()
    await expect(page.locator("dt", has_text="My goal")).to_be_visible()
    labels = await page.locator("dt").all_inner_texts()
    assert [label for label in labels if "_" in label] == []


async def test_everything_can_be_withdrawn_taken_along_and_erased(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window()
    await join(page, room, "Ada", note="Mornings are hard for me")
    await say(page, STUCK)
    await nudged(page)
    await page.get_by_role("link", name="My data").click()
    await page.get_by_role("button", name="Withdraw everything").click()
    await expect(page.locator("#purposes [aria-checked=true]")).to_have_count(0)
    async with page.expect_download() as started:
        await page.get_by_role("button", name="Download my data").click()
    assert (await started.value).suggested_filename == "sidecoach-my-data.json"
    await page.get_by_role("button", name="Erase my data").click()
    await page.get_by_role("button", name="Erase it for good").click()
    await expect(page.get_by_text("is erased")).to_be_visible()
    answer = await page.goto(room.path)
    assert answer is not None
    assert answer.status == 404


async def test_words_said_offline_arrive_once_and_in_order(
    open_window: OpenWindow, room: Room, size: Size
) -> None:
    page = await open_window(size)
    wire = Wiretap(page)
    await join(page, room, "Ada")
    await page.context.set_offline(True)
    await expect(page.locator("#line")).to_have_attribute("data-state", "offline")
    await say(page, "Okay.")
    await say(page, "Right, thanks.")
    await expect(page.get_by_text("Waits for a connection")).to_have_count(2)
    await expect(page.locator("#line")).to_contain_text("2 waiting")
    await page.context.set_offline(False)
    await wire.until("ack", 2)
    await expect(page.locator(".turn__state:visible")).to_have_count(0)
    await page.reload()
    await live(page)
    await expect(page.locator(".turn--own .said__text")).to_have_text(["Okay.", "Right, thanks."])


async def test_what_retention_has_removed_is_gone_from_the_page_and_the_rest_goes_on(
    open_window: OpenWindow, room: Room, superuser: psycopg.Connection
) -> None:
    page = await open_window()
    wire = Wiretap(page)
    await join(page, room, "Ada")
    await say(page, "Okay.")
    await wire.until("no_nudge")
    await say(page, "Right, thanks.")
    last = await wire.until("no_nudge", 2)
    superuser.execute(
        "UPDATE coach_event e SET at = at - interval '90 days' FROM coach_stream s"
        " WHERE s.id = e.stream_id AND s.session_id = %s AND e.seq <= %s",
        [room.session, last["seq"] - 3],
    )
    call_command("consent", "purge")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    own = page.locator(".turn--own .said__text")
    await page.reload()
    await live(page)
    await expect(own).to_have_text(["Right, thanks."])
    await say(page, STUCK)
    await nudged(page)
    await expect(own).to_have_text(["Right, thanks.", STUCK])
    assert len([url for url in asked if "/events/" in url]) == 1


async def test_hostile_words_are_shown_as_words_and_fetch_nothing(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window()
    wire = Wiretap(page)
    strangers = strange_requests(page)
    await join(page, room, "Ada <b>Bold</b>")
    await expect(page.get_by_text("Welcome, Ada <b>Bold</b>.")).to_be_visible()
    await say(page, HOSTILE)
    await wire.until("ack")
    await page.reload()
    own = page.locator(".turn--own .said__text")
    await expect(own).to_contain_text('<img src="//evil.example/x.png"')
    await expect(page.locator("#stream :is(img, script, iframe, a[href*=evil])")).to_have_count(0)
    assert strangers == []
    assert await page.title() == "Thursday check-in · Sidecoach"


def strange_requests(page: Page) -> list[str]:
    """Filled with whatever this page asks of anybody but our server."""
    found: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            found.append(request.url)

    page.on("request", note)
    return found

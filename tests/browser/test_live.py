"""The live line against a server's end that a test plays frame by frame."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from playwright.async_api import Page, Route, WebSocketRoute

from tests.browser.conftest import OpenWindow

EPOCH = "0c0ffee0-0000-4000-8000-000000000001"
LATER_EPOCH = "0c0ffee0-0000-4000-8000-000000000002"
SESSION = "0c0ffee0-0000-4000-8000-0000000000aa"

OPEN = """
async (session) => {
  const { LiveLine } = await import("/static/js/live.js");
  window.seen = [];
  window.states = [];
  window.line = new LiveLine(session);
  line.addEventListener("frame", ({ detail }) => seen.push(detail.frame));
  line.addEventListener("state", () => states.push(line.state));
  line.addEventListener("reset", () => (window.seen = []));
  line.open();
}
"""

# Counted where they are opened: what the network hears comes later, on a busy machine much later.
COUNT_OPENED = """
() => {
  window.opened = [];
  for (const [name, kind] of [["WebSocket", "socket"], ["EventSource", "stream"]]) {
    window[name] = new Proxy(window[name], {
      construct(target, parts) {
        opened.push(kind);
        return new target(...parts);
      },
    });
  }
}
"""


class Wire:
    """The server's end: what it heard, by line, and what it says."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.lines: list[WebSocketRoute] = []
        self.heard: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.epoch = EPOCH
        self.accepting = True
        self.greeting = True
        self.on_utterance: Callable[[dict[str, Any]], None] = lambda _frame: None

    async def attach(self) -> None:
        await self.page.route_web_socket("**/ws/**", self._answer)
        await self.page.route("**/api/v1/sessions/*/events/**", self._events)

    def say(self, **frame: Any) -> None:
        self.lines[-1].send(json.dumps(frame))

    def say_durable(self, seq: int, **frame: Any) -> None:
        self.say(**self.durable(seq, **frame))

    def durable(self, seq: int, **frame: Any) -> dict[str, Any]:
        return {"type": "utterance", "epoch": self.epoch, "seq": seq, **frame}

    def sent(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.heard if frame["type"] == kind]

    async def _answer(self, line: WebSocketRoute) -> None:
        if not self.accepting:
            await line.close(code=1012)
            return
        self.lines.append(line)
        line.on_message(self._hear)
        if not self.greeting:
            return
        self.say(type="welcome", epoch=self.epoch, seq=len(self.history), member="m", mode="auto")

    def _hear(self, data: str | bytes) -> None:
        frame = json.loads(data)
        self.heard.append(frame)
        if frame["type"] == "utterance":
            self.on_utterance(frame)

    async def _events(self, route: Route) -> None:
        after = int(route.request.url.split("after=")[1].split("&")[0])
        page = [frame for frame in self.history if frame["seq"] > after][:2]
        seq = self.history[-1]["seq"] if self.history else 0
        first = self.history[0]["seq"] if self.history else 1
        kept = {"epoch": self.epoch, "seq": seq, "first": first}
        await route.fulfill(json={**kept, "resync": after + 1 < first, "events": page})


@pytest.fixture
async def wire(open_window: OpenWindow) -> Wire:
    page = await open_window()
    await page.goto("/")
    wire = Wire(page)
    await wire.attach()
    await page.evaluate(OPEN, SESSION)
    await until(page, "line.state === 'live'")
    return wire


async def until(page: Page, condition: str) -> None:
    # Playwright's own waiting evaluates strings in the page, which the content policy forbids.
    async def holds() -> bool:
        return bool(await page.evaluate(condition))

    await eventually(holds, page)


async def seqs(page: Page) -> list[int]:
    found: list[int] = await page.evaluate("seen.filter((f) => f.seq && f.text).map((f) => f.seq)")
    return found


async def eventually(check: Callable[[], Awaitable[bool] | bool], page: Page) -> None:
    for _ in range(400):
        found = check()
        if found if isinstance(found, bool) else await found:
            return
        await page.wait_for_timeout(25)
    raise AssertionError("it did not come to that")


async def test_frames_come_out_once_and_in_order(wire: Wire) -> None:
    for seq in (1, 3, 2, 2, 1, 4):
        wire.say_durable(seq, text="words")
    await until(wire.page, "seen.some((f) => f.seq === 4)")
    assert await seqs(wire.page) == [1, 2, 3, 4]


async def test_resume_is_the_first_thing_said(wire: Wire) -> None:
    assert wire.heard[0] == {"type": "resume", "epoch": EPOCH, "last_seq": 0}


async def test_a_gap_is_asked_for_at_once(wire: Wire) -> None:
    wire.say_durable(1, text="words")
    wire.say_durable(3, text="words")
    await eventually(lambda: len(wire.sent("resume")) == 2, wire.page)
    assert wire.sent("resume")[1]["last_seq"] == 1
    assert await seqs(wire.page) == [1]


async def test_a_gap_that_stays_is_read_from_the_log(wire: Wire) -> None:
    wire.history = [wire.durable(seq, text="words") for seq in (1, 2, 3)]
    wire.say_durable(1, text="words")
    wire.say_durable(3, text="words")
    await until(wire.page, "seen.some((f) => f.seq === 3)")
    assert await seqs(wire.page) == [1, 2, 3]


async def test_a_cut_line_resumes_where_it_was(wire: Wire) -> None:
    wire.say_durable(1, text="words")
    wire.say_durable(2, text="words")
    await until(wire.page, "seen.some((f) => f.seq === 2)")
    await wire.lines[0].close(code=1012)
    await eventually(lambda: len(wire.lines) == 2, wire.page)
    await eventually(lambda: len(wire.sent("resume")) == 2, wire.page)
    assert wire.sent("resume")[1] == {"type": "resume", "epoch": EPOCH, "last_seq": 2}


async def test_resync_forgets_and_reads_everything_again(wire: Wire) -> None:
    wire.say_durable(1, text="old")
    await until(wire.page, "seen.some((f) => f.seq === 1)")
    wire.epoch = LATER_EPOCH
    wire.history = [wire.durable(seq, text="new") for seq in range(1, 6)]
    wire.say(type="resync", epoch=LATER_EPOCH, seq=5)
    await until(wire.page, "seen.some((f) => f.seq === 5)")
    wire.say_durable(6, text="new")
    await until(wire.page, "seen.some((f) => f.seq === 6)")
    assert await seqs(wire.page) == [1, 2, 3, 4, 5, 6]
    assert await wire.page.evaluate("seen.every((f) => f.text !== 'old')")


async def test_a_history_without_its_beginning_is_read_from_where_it_begins(wire: Wire) -> None:
    wire.say_durable(1, text="old")
    await until(wire.page, "seen.some((f) => f.seq === 1)")
    wire.epoch = LATER_EPOCH
    # Retention may have left a hole, if it was stopped half-way.
    wire.history = [wire.durable(seq, text="new") for seq in (7, 8, 11)]
    wire.say(type="resync", epoch=LATER_EPOCH, seq=11, first=7)
    await until(wire.page, "seen.some((f) => f.seq === 11)")
    wire.say_durable(12, text="new")
    await until(wire.page, "seen.some((f) => f.seq === 12)")
    assert await seqs(wire.page) == [7, 8, 11, 12]


async def test_a_history_of_which_nothing_is_left_goes_on_with_what_comes(wire: Wire) -> None:
    wire.say_durable(1, text="old")
    await until(wire.page, "seen.some((f) => f.seq === 1)")
    asked: list[str] = []
    wire.page.on("request", lambda request: asked.append(request.url))
    wire.epoch = LATER_EPOCH
    wire.say(type="resync", epoch=LATER_EPOCH, seq=0, first=1)
    await until(wire.page, "seen.length === 0")
    wire.say_durable(1, text="new")
    await until(wire.page, "seen.some((f) => f.text === 'new')")
    assert len([url for url in asked if "/events/" in url]) == 1


async def test_a_frame_of_another_epoch_is_never_mixed_in(wire: Wire) -> None:
    wire.say_durable(1, text="old")
    wire.epoch = LATER_EPOCH
    wire.history = [wire.durable(1, text="new")]
    wire.say_durable(2, text="new")
    await until(wire.page, "seen.some((f) => f.text === 'new')")
    assert await wire.page.evaluate("seen.map((f) => f.text).filter(Boolean)") == ["new"]


async def test_words_said_offline_are_sent_once_and_in_order(wire: Wire) -> None:
    wire.on_utterance = lambda frame: wire.say_durable(
        len(wire.sent("utterance")), type="ack", client_msg_id=frame["client_msg_id"]
    )
    await wire.page.context.set_offline(True)
    await until(wire.page, "line.state === 'offline'")
    await wire.page.evaluate("['one', 'two'].forEach((text) => line.say(text))")
    assert wire.sent("utterance") == []
    await wire.page.context.set_offline(False)
    await until(wire.page, "line.waiting.length === 0")
    assert [frame["text"] for frame in wire.sent("utterance")] == ["one", "two"]


async def test_words_cut_off_before_their_ack_keep_their_id(wire: Wire) -> None:
    await wire.page.evaluate("line.say('mine')")
    await eventually(lambda: len(wire.sent("utterance")) == 1, wire.page)
    await wire.lines[0].close(code=1012)
    await eventually(lambda: len(wire.sent("utterance")) == 2, wire.page)
    first, second = wire.sent("utterance")
    assert first == second


async def test_words_wait_through_a_reload_of_the_page(wire: Wire) -> None:
    await wire.page.context.set_offline(True)
    await until(wire.page, "line.state === 'offline'")
    await wire.page.evaluate("line.say('mine')")
    await wire.page.context.set_offline(False)
    await wire.page.reload()
    await wire.page.evaluate(OPEN, SESSION)
    await eventually(
        lambda: any(frame["text"] == "mine" for frame in wire.sent("utterance")), wire.page
    )


@pytest.mark.parametrize("code", ["rate_limited", "unavailable", "busy"])
async def test_words_refused_for_now_are_said_again(wire: Wire, code: str) -> None:
    def refuse_once(frame: dict[str, Any]) -> None:
        refused = len(wire.sent("utterance")) == 1
        key = frame["client_msg_id"]
        if refused:
            wire.say(type="error", code=code, detail="Later.", client_msg_id=key)
        else:
            wire.say_durable(1, type="ack", client_msg_id=key)

    wire.on_utterance = refuse_once
    await wire.page.evaluate("line.say('mine')")
    await until(wire.page, "line.waiting.length === 0")
    assert len(wire.sent("utterance")) == 2


async def test_many_words_refused_for_now_are_said_again_one_by_one(wire: Wire) -> None:
    """A crowd that insists would keep the server busy with refusing it."""

    def refuse(frame: dict[str, Any]) -> None:
        key = frame["client_msg_id"]
        wire.say(type="overloaded", retry_after_ms=100, client_msg_id=key)

    wire.on_utterance = refuse
    await wire.page.evaluate("for (let n = 0; n < 10; n += 1) line.say(`words ${n}`)")
    await asyncio.sleep(2)
    heard = [frame["text"] for frame in wire.sent("utterance")]
    # After the first round the oldest alone, after 0.1, 0.2, 0.4 and 0.8 seconds.
    assert set(heard[10:]) == {"words 0"}
    assert 3 <= len(heard[10:]) <= 5
    wire.on_utterance = lambda frame: wire.say(type="ack", client_msg_id=frame["client_msg_id"])
    await until(wire.page, "line.waiting.length === 0")
    taken = [frame["text"] for frame in wire.sent("utterance")][len(heard) :]
    assert taken[-10:] == [f"words {n}" for n in range(10)]


async def test_words_refused_for_good_are_not_said_again(wire: Wire) -> None:
    wire.on_utterance = lambda frame: wire.say(
        type="error", code="too_long", detail="Too long.", client_msg_id=frame["client_msg_id"]
    )
    await wire.page.evaluate("line.say('mine')")
    await until(wire.page, "line.waiting.length === 0")
    assert len(wire.sent("utterance")) == 1


async def test_what_happened_before_the_page_opened_is_told_apart(open_window: OpenWindow) -> None:
    page = await open_window()
    await page.goto("/")
    wire = Wire(page)
    wire.history = [wire.durable(1, text="before")]
    await wire.attach()
    await page.evaluate(
        OPEN.replace("detail.frame)", "{ ...detail.frame, past: detail.past })"), SESSION
    )
    await until(page, "line.state === 'live'")
    wire.say_durable(1, text="before")
    wire.say_durable(2, text="after")
    await until(page, "seen.some((f) => f.seq === 2)")
    assert await page.evaluate("seen.filter((f) => f.seq && f.text).map((f) => f.past)") == [
        True,
        False,
    ]


@pytest.mark.parametrize("code", [4401, 4403, 4404])
async def test_a_session_that_is_not_theirs_any_more_stays_closed(wire: Wire, code: int) -> None:
    await wire.lines[0].close(code=code)
    await until(wire.page, "line.state === 'closed'")
    await wire.page.wait_for_timeout(1500)
    assert len(wire.lines) == 1


async def test_a_refused_handshake_is_asked_about_and_then_left_alone(wire: Wire) -> None:
    await wire.page.route(
        f"**/api/v1/sessions/{SESSION}/", lambda route: route.fulfill(status=404, json={})
    )
    wire.accepting = False
    await wire.lines[0].close(code=1012)
    await until(wire.page, "line.state === 'closed'")


async def test_a_silent_line_is_given_up_and_opened_again(open_window: OpenWindow) -> None:
    page = await open_window()
    await page.clock.install()
    await page.goto("/")
    wire = Wire(page)
    await wire.attach()
    await page.evaluate(OPEN, SESSION)
    await eventually(lambda: len(wire.sent("resume")) == 1, page)
    await page.clock.run_for(21_000)
    await eventually(lambda: len(wire.sent("ping")) == 1, page)
    await page.clock.run_for(30_000)
    await eventually(lambda: len(wire.lines) >= 2, page)
    assert "lost" in await page.evaluate("states")


async def test_where_a_socket_stays_silent_events_are_asked_for(open_window: OpenWindow) -> None:
    page = await open_window()
    await page.clock.install()
    await page.goto("/")
    wire = Wire(page)
    wire.greeting = False
    await wire.attach()
    streams: list[str] = []

    async def leave_open(route: Route) -> None:
        """An answer, and one that ends, would have the page try a socket again."""
        streams.append(route.request.url)

    await page.route("**/stream/**", leave_open)
    await page.evaluate(COUNT_OPENED)
    await page.evaluate(OPEN, SESSION)
    await eventually(lambda: len(wire.lines) == 1, page)
    # In short steps: a long one would also give up what it has only just opened.
    for _ in range(32):
        await page.clock.run_for(250)
        if len(await page.evaluate("opened")) > 1:
            break
    await eventually(lambda: len(streams) == 1, page)
    assert await page.evaluate("opened") == ["socket", "stream"]


@pytest.mark.parametrize("data", ["", "null is not", '{"type":', "\x00"])
async def test_a_frame_that_is_not_json_is_passed_over(wire: Wire, data: str) -> None:
    wire.lines[0].send(data)
    wire.say_durable(1, text="words")
    await until(wire.page, "seen.some((f) => f.seq === 1)")


async def test_every_utterance_has_an_id_of_its_own(wire: Wire) -> None:
    ids = await wire.page.evaluate("Array.from({ length: 50 }, () => line.say('x').client_msg_id)")
    assert {UUID(found).version for found in ids} == {4}
    assert len(set(ids)) == 50

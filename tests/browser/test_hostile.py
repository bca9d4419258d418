"""A thousand hostile outputs of a model: through the real road, and straight into the pages.

Whatever a page is given it shows as words: nothing of it is rendered, and nothing is fetched.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from playwright.async_api import Page, Request, Route, WebSocketRoute, expect

from coach.demo.load import Demo
from coach.live import server
from coach.live.client import LiveClient, Ticket, rest
from tests.browser.conftest import OpenWindow
from tests.browser.hostile import COUNT, chunks, outputs
from tests.browser.people import Room, facilitate, join, live
from tests.scripted_model import Answer, ScriptedModel

EPOCH = "0c0ffee0-0000-4000-8000-000000000001"
WORDS = "What would help you to begin?"
SPEAKERS = 4
MOST_ASKED = COUNT + 500

# Whatever a text could have become besides text, in the parts of the pages that show texts.
RENDERED = """
() => [...document.querySelectorAll(
  ":is(#stream, #timeline, #alerts, #held, #members, #found, #report, #budget, #banner) :is("
  + "img, script, iframe, object, embed, video, audio, source, link, style, meta, base, math,"
  + " template, table:not(.passages), h1, h4, pre, code, b, em,"
  + " form:not(.nudge__edit), details:not(.trace, .help), svg:not(.icon, [role=img]),"
  + " a[href^='javascript:'], a[href*='evil'], [onerror], [onload], [onfocus], [ontoggle])"
)].map((node) => node.outerHTML)
"""


class Watch:
    """What a page asked of anybody but our server, by the browser's own log."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.strangers: list[str] = []
        page.context.on("request", self._note)

    async def finds_only_words(self, title: str) -> None:
        assert await self.page.evaluate(RENDERED) == []
        assert self.strangers == []
        assert await self.page.title() == title
        assert len(self.page.context.pages) == 1

    def _note(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.hostname != "127.0.0.1" and address.scheme not in ("data", "blob"):
            self.strangers.append(request.url)


class Double:
    """The server's end of a page's socket."""

    def __init__(self, **welcome: Any) -> None:
        self.seq = 0
        self._welcome = welcome
        self._line: WebSocketRoute | None = None

    async def attach(self, page: Page) -> None:
        await page.route_web_socket("**/ws/**", self._open)

    def _open(self, line: WebSocketRoute) -> None:
        self._line = line
        self.say(type="welcome", epoch=EPOCH, seq=0, **self._welcome)

    def say(self, **frame: Any) -> None:
        assert self._line is not None
        self._line.send(json.dumps(frame))

    def keep(self, **frame: Any) -> None:
        """Say it as a frame of the log."""
        self.seq += 1
        self.say(epoch=EPOCH, seq=self.seq, at="2026-01-01T12:00:00Z", **frame)


def number(nth: int) -> str:
    return f"0c0ffee0-0000-4000-9000-{nth:012d}"


def citation(text: str) -> dict[str, Any]:
    return {"passage": number(0), "title": text, "version": 1, "quote": text}


async def test_the_participants_page_shows_them_as_words(
    open_window: OpenWindow, room: Room
) -> None:
    page = await open_window()
    watch = Watch(page)
    await join(page, room, "Ada")
    double = Double(mode="auto", status="open", killed=False, paused=False, consent={})
    await double.attach(page)
    await page.reload()
    await live(page)
    texts = []
    for nth, (text, size) in enumerate(outputs(WORDS)):
        utterance, nudge = number(nth), number(nth + COUNT)
        double.say(type="nudge.start", nudge=nudge, utterance=utterance, source="model")
        at = 0
        for piece in chunks(text, size if nth % 10 == 0 else COUNT):
            double.say(type="nudge.delta", nudge=nudge, offset=at, text=piece)
            at += len(piece)
        cited = [citation(text)]
        double.keep(
            type="nudge.done", nudge=nudge, utterance=utterance, text=text, source="model",
            citations=cited, reason="",
        )  # fmt: skip
        texts.append(text)
    crisis = {"title": texts[0], "body": texts[1]}
    contacts = [
        {"name": texts[2], "url": "javascript:document.title=1"},
        {"name": texts[3], "phone": "javascript:1"},
        {"name": texts[4], "text": texts[5]},
    ]
    double.keep(type="escalated", utterance=number(1), card={**crisis, "contacts": contacts})
    double.keep(type="utterance", utterance=number(2), text=texts[6], speaker={"name": texts[7]})
    shown = page.locator(".nudge__text")
    await expect(shown).to_have_count(COUNT, timeout=60_000)
    await expect(page.locator(".turn--other")).to_have_count(1)
    assert await shown.evaluate_all("all => all.map((p) => p.textContent)") == texts
    await watch.finds_only_words("Thursday check-in · Sidecoach")


async def test_the_console_shows_them_as_words(open_window: OpenWindow, room: Room) -> None:
    page = await open_window("laptop", facilitator=True)
    watch = Watch(page)
    double = Double(mode="review", status="open", killed=False, paused=False, consent={})
    await double.attach(page)
    await facilitate(page, room)
    who = number(9)
    for nth, (text, _) in enumerate(outputs(WORDS)):
        utterance, nudge = number(nth), number(nth + COUNT)
        allows = {"facilitator_view": ["utterance", text]}
        double.keep(
            type="member.changed", member=who, name=text, role="participant", paused=False,
            connected=True, allows=allows,
        )  # fmt: skip
        signals = {"act": text, "toxicity": 0.9}
        speaker = {"member": who}
        double.keep(
            type="utterance", utterance=utterance, text=text, speaker=speaker, signals=signals
        )
        stages = [{"name": text, "ms": 3.0}]
        found = [{"title": text, "rank": text, "score": text}]
        trace = {"route": text, "stages": stages, "passages": found, "withheld": [text]}
        made = {
            "nudge": nudge, "member": who, "text": text, "source": text, "reason": text,
            "citations": [citation(text)], "first_ms": 3, "trace": trace,
        }  # fmt: skip
        if nth % 100 == 0:
            double.keep(type="nudge.held", utterance=utterance, **made)
            double.keep(type="alert", alert=nudge, kind=text, member=who, utterance=utterance)
            double.keep(type="budget", percent=text, period=text)
        elif nth % 3:
            double.keep(type="nudge.done", utterance=utterance, **made)
        else:
            double.keep(type="no_nudge", utterance=utterance, member=who, reason=text)
    double.keep(type="utterance", utterance=number(5000), text="The last", speaker={"member": who})
    await expect(page.get_by_text("The last")).to_be_visible(timeout=60_000)
    await expect(page.locator("#alerts li")).to_have_count(COUNT // 100)
    assert await page.evaluate(RENDERED) == []
    await watch.finds_only_words(f"(Urgent: {COUNT // 100}) Thursday check-in · Console")


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    scripted = ScriptedModel()
    scripted.start()
    yield scripted
    scripted.stop()


@pytest.fixture
def served(demo: Demo, model: ScriptedModel) -> Iterator[server.Server]:
    environment = {"LLM_BASE_URL": model.url, "LLM_MODEL": "scripted"}
    log = settings.DATA_DIR / "server-hostile.log"
    with server.running(log=log, environment=environment) as running:
        yield running


class Tempter:
    """A model that answers each question with the next hostile text, beside its passage."""

    def __init__(self) -> None:
        self.served = 0
        self._texts = list(outputs("{quote}"))

    async def __call__(self, answer: Answer) -> None:
        text, size = self._texts[self.served % COUNT]
        self.served += 1
        prompt = answer.request["messages"][-1]["content"]
        quote = prompt.partition('<passage n="1"')[2].partition(">")[2].partition("</passage>")[0]
        body = json.dumps({"nudge": text.replace("{quote}", quote), "cites": [1]})
        for piece in chunks(body, max(size, 3)):
            await answer.delta(piece)
        await answer.delta(None, "stop")
        await answer.end()


async def test_none_of_them_gets_past_the_gate_as_more_than_words(
    open_window: OpenWindow,
    demo: Demo,
    served: server.Server,
    model: ScriptedModel,
    record_property: Any,
) -> None:
    tempter = Tempter()
    model.script = tempter
    async with rest(served.http, demo.token or "") as api:
        made = await api.call("POST", "sessions/", {"title": "Hostile", "cooldown_s": 0})
        room = Room(made["id"], made["join_code"])
        phones = [await open_window(at=served.http) for _ in range(SPEAKERS)]
        watches = [Watch(page) for page in phones]
        tickets = [await _joins(page, room, f"Ada{nth}") for nth, page in enumerate(phones)]
        outcomes: Counter[str] = Counter()
        async with asyncio.TaskGroup() as group:
            for ticket in tickets:
                group.create_task(_tempt(served, ticket, tempter, outcomes))
        await api.call(
            "POST", "suggestions/",
            {"session": room.session, "text": "What would be a first small step?"},
        )  # fmt: skip
    assert tempter.served >= COUNT
    for page, watch in zip(phones, watches, strict=True):
        await expect(
            page.get_by_text("What would be a first small step?", exact=True)
        ).to_be_visible()
        await watch.finds_only_words("Hostile · Sidecoach")
        words = "\n".join(await page.locator(".nudge__text").all_inner_texts())
        assert "evil" not in words
        assert "<" not in words
    record_property("outcomes", dict(outcomes))
    print(f"{tempter.served} hostile outputs, {dict(outcomes)}")


async def _joins(page: Page, room: Room, name: str) -> Ticket:
    """A participant at a page, and a second line of theirs to speak over."""
    given: dict[str, str] = {}

    async def pass_on(route: Route) -> None:
        answer = await route.fetch()
        given.update(await answer.json())
        await route.fulfill(response=answer)

    await page.route("**/sessions/join", pass_on)
    await join(page, room, name)
    return Ticket(given["session"], given["member"], given["token"])


async def _tempt(
    served: server.Server, ticket: Ticket, tempter: Tempter, outcomes: Counter[str]
) -> None:
    async with LiveClient(served.ws, ticket) as speaker:
        for nth in range(MOST_ASKED // SPEAKERS):
            if tempter.served >= COUNT:
                return
            turn = await speaker.ask(f"I keep putting off report {nth}, what should I do first?")
            (ended,) = turn.terminals
            outcomes[ended["type"] + "/" + (ended.get("reason") or ended.get("source", ""))] += 1

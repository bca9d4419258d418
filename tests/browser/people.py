"""What people do with the pages: join, talk, facilitate."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Locator, Page, WebSocket, expect

from coach.demo.load import FACILITATOR, FACILITATOR_PASSWORD
from safety import guardrails
from safety.classifiers.in_process import InProcess
from safety.training.corpus import heard

COACHING, FACILITATOR_VIEW, REFLECTION = "coaching", "facilitator_view", "reflection"
TOLD = (COACHING, FACILITATOR_VIEW, REFLECTION)
# Words that the demo's playbook has something for.
STUCK = "I keep putting off the talk with my sister about the inheritance."
CRISIS = "Some nights I just don't want to be alive anymore."


@dataclass(frozen=True)
class Room:
    """A session of the demo's facilitator."""

    session: str
    code: str

    @property
    def path(self) -> str:
        return f"/sessions/{self.session}/"

    @property
    def board(self) -> str:
        return f"/console/{self.session}/"


class Wiretap:
    """The frames that a page got by socket, from the moment this is made."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[dict[str, Any]] = []
        page.on("websocket", self._listen)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The frame of this kind that makes it so many. Raises AssertionError after ten seconds."""
        for _ in range(400):
            if len(self.of(kind)) >= count:
                return self.of(kind)[count - 1]
            await self.page.wait_for_timeout(25)
        raise AssertionError(f"no {kind} came, but {[frame['type'] for frame in self.frames]}")

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: self.frames.append(json.loads(data)))


def uneasy() -> str:
    """A sentence that the head is unsure of, from those that its point was chosen on."""
    model = InProcess.load()
    for each in heard("dev"):
        verdict = guardrails.check_input(each.text, model.read_now(each.text))
        if verdict.careful and each.kind == "veiled":
            return each.text
    raise AssertionError("the head is sure of everything")


async def open_join(page: Page, room: Room) -> None:
    await page.goto(f"/join/?code={room.code}")
    await expect(page.locator("#join")).to_be_visible()


async def join(
    page: Page,
    room: Room,
    name: str,
    *,
    allow: Collection[str] = (COACHING, FACILITATOR_VIEW),
    goal: str = "",
    note: str = "",
) -> None:
    """Join, with every field of these purposes allowed."""
    await open_join(page, room)
    await page.fill("#name", name)
    await page.fill("#goal", goal)
    await page.fill("#note", note)
    for purpose in allow:
        for choice in await page.locator(f"#purposes input[name={purpose}]").all():
            await choice.check()
    await page.click("#agree" if allow else "#decline")
    await live(page)


async def live(page: Page) -> None:
    await expect(page.locator("#line[data-state=live]")).to_be_visible()


async def say(page: Page, text: str) -> None:
    await page.fill("#words", text)
    await page.press("#words", "Enter")


async def nudged(page: Page, count: int = 1) -> Locator:
    """The newest nudge, once there are so many and it is whole."""
    cards = page.locator(".turn--nudge[data-state=done]")
    await expect(cards).to_have_count(count)
    return cards.last


async def log_in(
    page: Page, path: str, *, user: str = FACILITATOR, password: str = FACILITATOR_PASSWORD
) -> None:
    await page.goto(f"/accounts/login/?next={path}")
    await page.fill("#id_username", user)
    await page.fill("#id_password", password)
    await page.click("main form button.button")
    await page.wait_for_url(f"**{path}")


async def facilitate(page: Page, room: Room) -> None:
    """Open the board, in a window that is logged in."""
    await page.goto(room.board)
    await live(page)


async def end_session(board: Page) -> None:
    """End it at the board, by its button and the question that follows."""
    await board.locator("#end").click()
    await board.locator("#end-sure [value=yes]").click()


async def focus_by_tab(page: Page, name: str, *, back: bool = False) -> None:
    """Press Tab until the focus is on what is called `name`."""
    for _ in range(80):
        await page.keyboard.press("Shift+Tab" if back else "Tab")
        if name in await page.evaluate(FOCUSED):
            return
    raise AssertionError(f"Tab never reached {name!r}")


# A switch in a label is called by its title; what has a label of its own, by that.
FOCUSED = """() => {
  const it = document.activeElement;
  return it.ariaLabel || it.labels?.[0]?.textContent.trim() || it.textContent.trim();
}"""

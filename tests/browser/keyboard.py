"""Walking through a page by keys alone, looking at each step where the focus is."""

from playwright.async_api import Page

MOST_TABS = 120


class Keys:
    """Somebody without a mouse; a step fails when the focus is lost, unmarked or out of sight."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def to(self, name: str, *, back: bool = False) -> None:
        """Press Tab until the focus is on what is called `name`."""
        for _ in range(MOST_TABS):
            await self.page.keyboard.press("Shift+Tab" if back else "Tab")
            if name in await self.name():
                await self.sees()
                return
        raise AssertionError(f"Tab never reached {name!r}")

    async def press(self, key: str) -> None:
        await self.page.keyboard.press(key)

    async def write(self, text: str) -> None:
        await self.page.keyboard.type(text)

    async def on(self, name: str) -> None:
        """The focus comes to be on what is called `name`, and is seen there."""
        for _ in range(200):
            if name in await self.name():
                break
            await self.page.wait_for_timeout(25)
        else:
            raise AssertionError(f"the focus is on {await self.name()!r}, not on {name!r}")
        await self.sees()

    async def sees(self) -> None:
        """Raises AssertionError, saying why, when somebody could not see where the focus is."""
        if fault := await self.page.evaluate(FAULT):
            raise AssertionError(fault)

    async def name(self) -> str:
        found: str = await self.page.evaluate(NAME)
        return found


# A switch in a label is called by its title; what has a label of its own, by that.
NAME = """() => {
  const it = document.activeElement;
  if (it === document.body) return "";
  return (it.ariaLabel || it.labels?.[0]?.textContent || it.textContent || it.value || "").trim();
}"""

# Why the focus is not seen (WCAG 2.4.7, 2.4.11); empty when it is.
FAULT = """() => {
  const it = document.activeElement;
  if (it === document.body) return "nothing has the focus";
  const what = `${it.tagName} ${it.id} ${it.className}`;
  if (!it.matches(":focus-visible")) return `${what} is not marked`;
  const shown = it.matches(".modes input") ? it.nextElementSibling : it;
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(shown);
  const outlined = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  if (!outlined && boxShadow === "none") return `${what} has no outline`;
  const box = shown.getBoundingClientRect();
  const left = Math.max(box.left, 0), right = Math.min(box.right, innerWidth);
  const top = Math.max(box.top, 0), bottom = Math.min(box.bottom, innerHeight);
  if (right - left < 1 || bottom - top < 1) return `${what} is out of sight`;
  const above = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  const parts = [shown, ...(it.labels ?? [])];
  const same = above?.contains(shown) || parts.some((part) => part.contains(above));
  return same ? "" : `${what} is covered by ${above?.tagName} ${above?.className}`;
}"""

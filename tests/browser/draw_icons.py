"""Draws the PNG icons from the SVG ones: `python -m tests.browser.draw_icons`."""

import asyncio
from pathlib import Path

from playwright.async_api import async_playwright

from tests.browser.chromium import launch

ICONS = Path(__file__).parents[2] / "static" / "icons"
DRAWN = (
    ("icon.svg", "icon-192.png", 192),
    ("icon.svg", "icon-512.png", 512),
    ("maskable.svg", "maskable-512.png", 512),
    # iOS rounds the corners itself and shows black where an icon is transparent.
    ("maskable.svg", "apple-touch-icon.png", 180),
)


async def draw() -> None:
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        for source, target, size in DRAWN:
            page = await browser.new_page(viewport={"width": size, "height": size})
            svg = (ICONS / source).read_text().replace("<svg ", f'<svg width="{size}" ', 1)
            await page.set_content(f'<body style="margin:0;display:grid">{svg}</body>')
            await page.screenshot(path=ICONS / target, omit_background=True)
            await page.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(draw())

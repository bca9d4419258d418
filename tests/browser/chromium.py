"""Debian's Chromium, driven by Playwright; nothing is downloaded."""

import shutil

from playwright.async_api import Browser, Playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


async def launch(playwright: Playwright) -> Browser:
    """A headless browser with a profile of its own. Raises FileNotFoundError without Chromium."""
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("chromium is not installed: apt-get install chromium")
    return await playwright.chromium.launch(executable_path=path, args=list(FLAGS))

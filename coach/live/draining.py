"""Hearing early that the process is to end."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


def on_termination(act: Callable[[], None]) -> None:
    """Have `act` run on this loop once the process is told to end, before its connections are.

    The server's own handler, which is there already, runs after it.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, _first(loop, act, before))


def _first(
    loop: asyncio.AbstractEventLoop,
    act: Callable[[], None],
    before: Callable[[int, FrameType | None], Any],
) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        before(number, frame)

    return handle

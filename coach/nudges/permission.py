"""Consent while something is under way: it is asked about again and again, not only before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from consent.errors import ConsentError

# Withdrawal is to silence a stream within 250 ms, on whichever worker and without any bell.
EVERY_S = 0.1


class ConsentChanged(Exception):
    """The speaker's choices changed while we were at work; what was begun is not finished."""


@asynccontextmanager
async def while_allowed(still_allowed: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """The block runs only as long as `still_allowed` does not raise.

    When it does, the block is cancelled where it stands, and ConsentChanged or the ConsentError is
    raised in its place.
    """
    body = asyncio.current_task()
    assert body is not None
    refusal: list[ConsentChanged | ConsentError] = []

    async def watch() -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await still_allowed()
            except (ConsentChanged, ConsentError) as exc:
                refusal.append(exc)
                body.cancel()
                return

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        # As asyncio.timeout has it: a cancellation that was not ours goes on.
        if refusal and body.uncancel() == 0:
            raise refusal[0] from None
        raise
    finally:
        watcher.cancel()

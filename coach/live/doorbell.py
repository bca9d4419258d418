"""The channel layer as a doorbell: it says that something is there; the event log says what."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import structlog
from channels.layers import get_channel_layer

from coach.live.log import Logged

log = structlog.get_logger(__name__)

SEND_S = 0.25
WORKERS = "workers"


def group_of(session: UUID, audience: str) -> str:
    return f"s.{session.hex}.{audience}"


async def ring(session: UUID, logged: Iterable[Logged]) -> None:
    """Tell each audience of its new frames. What gets lost here is found again by number."""
    for entry in logged:
        await _send(
            group_of(session, entry.audience),
            {"type": "log.frame", "seq": entry.seq, "frame": dict(entry.frame)},
        )


async def pass_on(session: UUID, audience: str, frame: Mapping[str, Any]) -> None:
    """A frame that nobody will miss: it has no number and is not kept."""
    await _send(group_of(session, audience), {"type": "passing.frame", "frame": dict(frame)})


async def order(what: str, session: UUID, **details: Any) -> None:
    """A word to every worker, not to people (`orders.py`)."""
    await _send(WORKERS, {"type": what, "session": str(session), **details})


async def _send(group: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        async with asyncio.timeout(SEND_S):
            await layer.group_send(group, message)
    except (OSError, TimeoutError, RuntimeError, ValueError) as exc:
        # Readers ask the log once a second, so a dead bell costs time and loses nothing.
        log.warning("doorbell.silent", error=type(exc).__name__)

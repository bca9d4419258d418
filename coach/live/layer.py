"""Channels' Redis layer, steadied: a Redis that goes takes no socket with it."""

import asyncio
from typing import Any

import structlog
from channels_redis.core import RedisChannelLayer
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

RETRY_S = 0.5


class SteadyRedisLayer(RedisChannelLayer):  # type: ignore[misc]
    """Waits for Redis instead of raising into consumers, which an error would end.

    Frames that are missed meanwhile are found in the event log by their numbers.
    """

    async def receive(self, channel: str) -> dict[str, Any]:
        while True:
            try:
                message: dict[str, Any] = await super().receive(channel)
            except (RedisError, OSError) as exc:
                log.warning("redis.lost", error=type(exc).__name__)
                await asyncio.sleep(RETRY_S)
            else:
                return message

    async def group_add(self, group: str, channel: str) -> None:
        try:
            await super().group_add(group, channel)
        except (RedisError, OSError) as exc:
            log.warning("redis.unjoined", error=type(exc).__name__)

    async def group_discard(self, group: str, channel: str) -> None:
        try:
            await super().group_discard(group, channel)
        except (RedisError, OSError) as exc:
            log.warning("redis.unleft", error=type(exc).__name__)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        try:
            await super().group_send(group, message)
        except RedisError as exc:
            raise OSError(type(exc).__name__) from exc

"""What a worker is told by others: to stop somebody's roads, or that a room is not as it was."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

from channels.layers import get_channel_layer

from coach.live.doorbell import WORKERS
from coach.ops import metrics

if TYPE_CHECKING:
    from coach.live.hub import Hub


class Orders:
    """This worker's own channel. A road may be walked where its speaker has no socket."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._layer: Any = get_channel_layer()
        self._channel = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self._layer.group_discard(WORKERS, self._channel)

    async def join(self) -> None:
        """Say again that we listen; layers forget their groups."""
        if self._channel:
            await self._layer.group_add(WORKERS, self._channel)

    async def _listen(self) -> None:
        self._channel = await self._layer.new_channel()
        await self.join()
        while True:
            self._obey(await self._layer.receive(self._channel))

    def _obey(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "stop.roads":
                self._hub.forget_room(UUID(message["session"]))
                self._hub.cancel(UUID(message["member"]), message["reason"])
            case "room.changed":
                self._hub.forget_room(UUID(message["session"]))
            case _:
                # A worker of another version may know more orders than this one.
                metrics.UNKNOWN_EVENTS.inc()

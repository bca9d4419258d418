"""Walk single roads in the test's own process, and see every frame that left for the speaker."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.test import override_settings

from coach import tenancy
from coach.engines import Engines, open_engines
from coach.live.client import Ticket
from coach.live.doorbell import group_of
from coach.live.frames import Say
from coach.live.hub import Hub
from coach.models import Member, Nudge, Utterance
from tests.scripted_model import ScriptedModel


@asynccontextmanager
async def engines_with(model: ScriptedModel) -> AsyncIterator[Engines]:
    """All real engines, and this model at the wire."""
    found = settings.ENV.model_copy(update={"llm_base_url": model.url, "llm_model": "scripted"})
    with override_settings(ENV=found):
        async with open_engines() as engines:
            yield engines


@dataclass(frozen=True)
class Ended:
    """What was written of a road, and what its speaker was sent."""

    utterance: Utterance
    nudge: Nudge | None
    frames: list[dict[str, Any]]


async def walk(engines: Engines, ticket: Ticket, text: str) -> Ended:
    """Say something and let the road come to its end."""
    layer = get_channel_layer()
    assert layer is not None
    session, key = uuid.UUID(ticket.session), uuid.uuid4()
    channel = await layer.new_channel()
    group = group_of(session, ticket.member)
    await layer.group_add(group, channel)
    hub = Hub(engines)
    member = await Member.objects.aget(id=ticket.member)
    with tenancy.acting(tenancy.of([member.organisation_id], actor=f"member:{member.id}")):
        await hub.say(Say(key, text), session=session, member=member.id, audience=ticket.member)
        await hub.drain()
    frames = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                frames.append((await layer.receive(channel))["frame"])
        except TimeoutError:
            break
    await layer.group_discard(group, channel)
    utterance = await Utterance.objects.aget(client_msg_id=key)
    nudge = await Nudge.objects.filter(utterance=utterance).afirst()
    return Ended(utterance, nudge, frames)

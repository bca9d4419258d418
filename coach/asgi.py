"""The ASGI application: pages and API by Django, sockets by Channels, engines by the lifespan."""

import asyncio
import gc
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coach.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.urls import path

from coach import databases, tenancy
from coach.database import BESIDE
from coach.engines import open_engines
from coach.live.admission import REQUEST_S, REQUESTS
from coach.live.consumers import SessionConsumer
from coach.live.draining import on_termination
from coach.live.hub import Hub
from coach.live.origin import BearerOrOrigin
from coach.live.turns import Turns
from coach.ops.beat import Beat
from coach.ops.notary import Notary
from coach.ops.tracing import tracing

consumer: Any = SessionConsumer.as_asgi()
routes: Any = [path("ws/sessions/<uuid:session>/", consumer)]
sockets = URLRouter(routes)
by_protocol: Any = ProtocolTypeRouter(
    {
        "http": Turns(django_application),
        "websocket": BearerOrOrigin(
            bearer=sockets,
            browser=OriginValidator(AuthMiddlewareStack(sockets), settings.ALLOWED_ORIGINS),
        ),
    }
)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    tenancy.enter(tenancy.NOBODY)
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    else:
        await by_protocol(scope, receive, send)


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Open the engines before the first request; finish what runs before the last goodbye."""
    await receive()
    databases.share_connections(REQUESTS + BESIDE, wait_s=REQUEST_S)
    try:
        async with tracing(), open_engines() as engines:
            hub = Hub(engines)
            hub.start()
            on_termination(hub.stop_serving)
            beat = Beat(engines.database)
            beside = [
                asyncio.create_task(Notary(engines.vault_database).keep()),
                asyncio.create_task(beat.keep()),
            ]
            scope["state"] |= {"hub": hub, "beat": beat}
            # What is loaded by now stays: looking through it all again holds everybody up.
            gc.collect()
            gc.freeze()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await hub.drain()
            for task in beside:
                task.cancel()
    except Exception as exc:
        await send({"type": "lifespan.startup.failed", "message": f"{type(exc).__name__}: {exc}"})
        raise
    await send({"type": "lifespan.shutdown.complete"})

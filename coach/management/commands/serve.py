"""Serve Sidecoach: pages, API and sockets in one process."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections as databases

from coach import tenancy
from coach.live.frames import MAX_FRAME_BYTES
from coach.ops import connections, exposition
from coach.settings import local_origins

# Larger frames are cut off by the server; up to here they get a proper refusal.
SERVER_FRAME_BYTES = 64 * MAX_FRAME_BYTES
# Every road comes to its end before the worker does.
GRACE_S = max(8, settings.ENV.terminal_ms // 1000 + 3)
LIVE: dict[str, Any] = {
    "lifespan": "on",
    "log_config": None,
    "access_log": False,
    "ws": "websockets-sansio",
    "ws_max_size": SERVER_FRAME_BYTES,
    "ws_max_queue": 32,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    "ws_per_message_deflate": False,
    "limit_concurrency": 2000,
    "timeout_graceful_shutdown": GRACE_S,
    "server_header": False,
}


class Command(BaseCommand):
    help = "Migrate, load the demo if DEMO=1, and serve on HOST:PORT."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.ENV.port)
        parser.add_argument("--host", default=settings.ENV.host)
        parser.add_argument("--workers", type=int, default=1)
        parser.add_argument("--no-migrate", action="store_true")
        parser.add_argument("--quiet", action="store_true", help="print no invitation")

    def handle(self, *args: Any, **options: Any) -> None:
        begun = time.monotonic()
        require_free(options["host"], options["port"])
        # The server drains and hands the signal on, which by default would end us before what is
        # to be done at the end: an embedded database would run on with nobody to stop it.
        signal.signal(signal.SIGTERM, leave)
        if not options["no_migrate"]:
            self.stderr.write("database ...")
            call_command("migrate", verbosity=0)
        if warning := connections.too_few(options["workers"]):
            self.stderr.write(warning)
        self.ensure_models()
        invitation = ""
        if settings.DEMO:
            from coach.demo.load import load

            demo = load(progress=self.stderr.write).as_json()
            if not options["quiet"]:
                invitation = invite(demo, options["host"], options["port"])
        # Requests are lent theirs by a pool, which knows nothing of the one that migrated.
        databases.close_all()
        tenancy.enter(tenancy.NOBODY)
        if options["port"] != settings.ENV.port and not settings.ENV.allowed_origins:
            settings.ALLOWED_ORIGINS = local_origins(options["port"])
            os.environ["PORT"] = str(options["port"])
        Path(settings.STATIC_ROOT).mkdir(exist_ok=True)
        # Workers are fresh processes and read the environment, not our arguments.
        os.environ["DJANGO_SETTINGS_MODULE"] = "coach.settings"
        where: dict[str, Any] = {name: options[name] for name in ("host", "port", "workers")}
        where["forwarded_allow_ips"] = settings.ENV.trusted_proxies
        if options["workers"] > 1:
            self.stdout.write(invitation)
            exposition.share(settings.DATA_DIR / f"metrics-{options['port']}")
            uvicorn.run("coach.asgi:application", **where, **LIVE)
            return
        config = uvicorn.Config("coach.asgi:application", **where, **LIVE)

        def ready() -> None:
            if invitation:
                self.stdout.write(invitation)
                self.stdout.write(f"  Ready in {time.monotonic() - begun:.1f} s; Ctrl-C stops it.")

        try:
            Announcing(config, ready).run()
        except KeyboardInterrupt:
            self.stdout.write("  Stopped.")

    def ensure_models(self) -> None:
        """Export the embedder once; later starts find it by its digest."""
        from rag.embedding import model_directory

        if not Path(model_directory()).exists():
            self.stderr.write("embedding model: exporting once (half a minute) ...")
            call_command("export_embedder")


class Announcing(uvicorn.Server):
    """A server that says so once it really answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def require_free(host: str, port: int) -> None:
    """Raises CommandError when nobody can listen there; the server itself would say it last."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as exc:
        raise CommandError(
            f"cannot listen on {host}:{port}: {exc.strerror or exc}; PORT chooses another port"
        ) from exc


def leave(_number: int, _frame: FrameType | None) -> None:
    """End as one ends by oneself."""
    sys.exit(0)


def invite(demo: dict[str, Any], host: str, port: int) -> str:
    """What to open, and as whom."""
    address = f"http://{host}:{port}"
    facilitator, admin = demo["facilitator"], demo["admin"]
    return "\n".join(
        (
            "",
            f"  Sidecoach is at {address}",
            "",
            f"  take part    {address}/join/?code={demo['join_code']}",
            f"  facilitate   {address}/console/   "
            f"as {facilitator['username']} / {facilitator['password']}",
            f"  administer   {address}/admin/     as {admin['username']} / {admin['password']}, "
            f"code {admin['code']} (a new one each half minute: the start page shows it)",
            "",
        )
    )

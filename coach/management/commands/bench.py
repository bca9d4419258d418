"""Measure speed, load and memory: the tables and plots of `docs/performance.md`."""

import asyncio
import gc
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from coach.bench import document, gateway, kept, line, load, pipeline, stage, vault
from coach.bench.document import Machine, NoBlock
from coach.bench.report import Report, Table, plain
from coach.bench.saturation import Crowd, Seating, kept_rate, saturation
from coach.bench.soak import soak
from coach.demo import load as demo
from coach.demo.load import PLAYBOOK_FILE, REHEARSAL_FILE, Demo
from coach.demo.rehearsal import Line
from coach.live.client import rest
from coach.live.server import Server, ServerError
from coach.rooms.joining import join
from consent.registry import PURPOSES, Purpose
from rag.embedding import model_directory
from safety.jsonlines import read

COACHING_FIELDS = next(seed.fields for seed in PURPOSES if seed.key is Purpose.COACHING)
# `all` leaves out what takes an hour.
NAMES = (
    "pipeline", "retrieval", "line", "load", "drafts", "gateway", "kept", "vault", "redaction",
    "recall",
)  # fmt: skip
LONG = ("soak",)


class Command(BaseCommand):
    help = (
        "Print what was measured, on a database of its own that is dropped afterwards; `all` is"
        " everything but `soak`."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=[*NAMES, *LONG, "all"])
        parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
        parser.add_argument(
            "--here", action="store_true",
            help="on the database that the environment names, leaving there what was made",
        )  # fmt: skip
        loading = parser.add_argument_group("load")
        loading.add_argument("--quick", action="store_true", help="two minutes instead of ten")
        loading.add_argument("--large", action="store_true", help="100,000 passages, too")
        soaking = parser.add_argument_group("soak")
        soaking.add_argument("--minutes", type=float, default=60.0)
        soaking.add_argument("--load", type=float, default=0.7, help="share of the saturation")
        soaking.add_argument("--rate", type=float, help="the saturation, where it is known")

    def handle(self, *args: Any, **options: Any) -> None:
        names = NAMES if options["name"] == "all" else (options["name"],)
        if not options["here"]:
            for name in names:
                if status := stage.on_own_database(_arguments(name, options)):
                    raise CommandError(f"bench {name} ended with {status}", returncode=status)
            return
        self.options = options
        for name in names:
            self.measure(name)

    def measure(self, name: str) -> None:
        machine, began = Machine.here(), time.monotonic()
        self.say(f"bench {name}: {machine}")
        bench: Callable[[], Report] = getattr(self, name)
        # As a worker does once it has loaded everything: else it is our own pauses we measure.
        gc.collect()
        gc.freeze()
        try:
            report = bench()
            if self.options["write"]:
                document.write(name, report, machine)
        except (ServerError, NoBlock) as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(f"\n### {name}\n\n{report.as_markdown()}\n")
        self.say(f"bench {name} took {time.monotonic() - began:.0f} s")

    def say(self, what: str) -> None:
        self.stderr.write(what)
        self.stderr.flush()

    def demo(self) -> Demo:
        if not model_directory().exists():
            call_command("export_embedder")
        return demo.load(progress=self.say)

    def token(self) -> str:
        return self.demo().token or ""

    def soak(self) -> Report:
        token, options = self.token(), self.options
        rate = options["rate"]
        if rate is None:
            with stage.own_server("soak") as own:
                rate = asyncio.run(_saturation(own, token, self.say))
        if not rate:
            raise CommandError("this machine keeps no rate at all: nothing to soak at")
        with stage.own_server("soak") as own:
            return asyncio.run(
                soak(
                    own, token, rate=options["load"] * rate, minutes=options["minutes"],
                    say=self.say,
                )
            )  # fmt: skip

    def load(self) -> Report:
        token, options = self.token(), self.options
        scale = load.QUICK if options["quick"] else load.FULL
        if options["large"]:
            scale = replace(scale, passages=(*scale.passages, load.LARGE))
        return asyncio.run(load.load(stage.own_servers, token, scale, self.say))

    def pipeline(self) -> Report:
        rows = read(REHEARSAL_FILE, {"speaker": str, "text": str})
        script = [Line(row["speaker"], row["text"]) for row in rows]
        token = self.token()
        with stage.own_server() as own:
            return plain(asyncio.run(pipeline.pipeline(script, own.ws, token, self.say)))

    def line(self) -> Report:
        token = self.token()
        with stage.own_server() as own:
            return plain(asyncio.run(line.line(own.ws, token, own.process.pid, self.say)))

    def drafts(self) -> Report:
        token = self.token()
        with stage.own_server() as own:
            return plain(asyncio.run(line.drafts(own.ws, token, self.say)))

    def gateway(self) -> Report:
        self.demo()
        return plain(asyncio.run(gateway.gateway(self.say)))

    def kept(self) -> Report:
        self.demo()
        return plain([asyncio.run(kept.kept(split)) for split in kept.SPLITS])

    def vault(self) -> Report:
        session = self.demo().session
        everything = {"coaching": [f.value for f in COACHING_FIELDS]}
        joined = join(session.join_code, display_name="Bench", consent=everything, goal="g")
        return plain(asyncio.run(vault.vault(joined.member, self.say)))

    def retrieval(self) -> Report:
        from rag.benchmark import retrieval

        self.demo()
        report = retrieval()
        return plain([*report["search"], {"what": "embedding", **report["embedding_ms"]}])

    def recall(self) -> Report:
        from rag.recall import recall

        self.demo()
        utterances = read(REHEARSAL_FILE.parent / "graded.jsonl", {"text": str})
        asked = [row["text"] for row in utterances][:100]

        def progress(what: str, done: int, of: int) -> None:
            if done % 6_400 == 0:
                self.say(f"{what} {done}/{of}")

        return plain(recall(PLAYBOOK_FILE, asked, progress=progress))

    def redaction(self) -> Report:
        from safety.comparison import compare
        from safety.speed import speeds

        return Report((Table(compare()), Table(speeds())))


async def _saturation(own: Server, token: str, say: Callable[[str], None]) -> float:
    async with rest(own.http, token) as api, AsyncExitStack() as stack:
        steps = await saturation(Crowd(Seating([own], [api]), stack), say)
    return kept_rate(steps)


def _arguments(name: str, options: dict[str, Any]) -> list[str]:
    """The same command once more, for the process that has the database."""
    given = ["bench", name, "--here"]
    given += [f"--{flag}" for flag in ("write", "quick", "large") if options[flag]]
    for option in ("minutes", "load", "rate"):
        if options[option] is not None:
            given += [f"--{option}", str(options[option])]
    return given

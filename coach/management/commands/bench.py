"""Measure speed: the tables of `docs/performance.md`."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from coach.demo.load import PLAYBOOK_FILE, REHEARSAL_FILE, load
from coach.demo.rehearsal import Line
from coach.live import server
from coach.ops import benches, line, replay
from coach.ops.load import at_rates
from coach.rooms.joining import join
from coach.rooms.rights import erase_member
from consent.registry import PURPOSES, Purpose
from safety.jsonlines import read

COACHING_FIELDS = next(seed.fields for seed in PURPOSES if seed.key is Purpose.COACHING)
NAMES = (
    "pipeline", "retrieval", "sockets", "line", "overload", "load", "drafts", "gateway", "kept",
    "vault", "redaction", "recall",
)  # fmt: skip
RATES = (5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0, 120.0, 160.0)


class Command(BaseCommand):
    help = (
        "Print speed tables (pipeline, retrieval, sockets, line, load, gateway, vault, redaction),"
        " what a worker does under overload, what drafts bring, what kept drafts hit, what the"
        " vector index loses, or all."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=[*NAMES, "all"])
        parser.add_argument(
            "--rates", type=float, nargs="+", default=RATES, help="of `load`, utterances a second"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.rates: Sequence[float] = options["rates"]
        for name in NAMES if options["name"] == "all" else (options["name"],):
            self.stderr.write(f"bench {name} ...")
            rows = getattr(self, name)()
            self.print_table(name, rows)

    def pipeline(self) -> list[benches.Row]:
        rows = read(REHEARSAL_FILE, {"speaker": str, "text": str})
        script = [Line(row["speaker"], row["text"]) for row in rows]
        token = load(progress=self.stderr.write).token or ""
        with self.own_server() as own:
            return asyncio.run(benches.pipeline(script, own.ws, token, self.stderr.write))

    def sockets(self) -> list[benches.Row]:
        token = load(progress=self.stderr.write).token or ""
        with self.own_server() as own:
            return asyncio.run(benches.sockets(own.ws, token, self.stderr.write))

    def line(self) -> list[benches.Row]:
        token = load(progress=self.stderr.write).token or ""
        with self.own_server() as own:
            return asyncio.run(line.line(own.ws, token, own.process.pid, self.stderr.write))

    def overload(self) -> list[benches.Row]:
        token = load(progress=self.stderr.write).token or ""
        with self.own_server() as own:
            limit_ms = float(settings.ENV.terminal_ms)
            return asyncio.run(line.overload(own.ws, token, limit_ms, self.stderr.write))

    def drafts(self) -> list[benches.Row]:
        token = load(progress=self.stderr.write).token or ""
        with self.own_server() as own:
            return asyncio.run(line.drafts(own.ws, token, self.stderr.write))

    def load(self) -> list[benches.Row]:
        token = load(progress=self.stderr.write).token or ""
        with self.own_server() as own:
            return asyncio.run(at_rates(own.ws, token, self.rates, self.stderr.write))

    def gateway(self) -> list[benches.Row]:
        load(progress=self.stderr.write)
        return asyncio.run(benches.gateway(self.stderr.write))

    def kept(self) -> list[benches.Row]:
        load(progress=self.stderr.write)
        return [asyncio.run(replay.kept(split)) for split in replay.SPLITS]

    def vault(self) -> list[benches.Row]:
        session = load(progress=self.stderr.write).session
        everything = {"coaching": [f.value for f in COACHING_FIELDS]}
        member = join(session.join_code, display_name="Bench", consent=everything, goal="g").member
        try:
            return asyncio.run(benches.vault(member, self.stderr.write))
        finally:
            erase_member(member)

    def retrieval(self) -> list[benches.Row]:
        from rag.benchmark import retrieval

        report = retrieval()
        return [*report["search"], {"what": "embedding", **report["embedding_ms"]}]

    def recall(self) -> list[benches.Row]:
        from rag.recall import recall

        utterances = read(REHEARSAL_FILE.parent / "graded.jsonl", {"text": str})
        asked = [row["text"] for row in utterances][:100]
        return recall(
            PLAYBOOK_FILE, asked, progress=lambda what, done, of: self.stderr.write(
                f"{what} {done}/{of}"
            ) if done % 6_400 == 0 else None,
        )  # fmt: skip

    def redaction(self) -> list[benches.Row]:
        from safety.comparison import compare
        from safety.speed import speeds

        return [*compare(), *speeds()]

    def own_server(self) -> Any:
        return server.running(
            log=Path(settings.DATA_DIR) / "bench.log", environment=server.UNHURRIED
        )

    def print_table(self, name: str, rows: list[benches.Row]) -> None:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        self.stdout.write(f"\n### {name}\n")
        self.stdout.write("| " + " | ".join(columns) + " |")
        self.stdout.write("|" + " --- |" * len(columns))
        for row in rows:
            self.stdout.write("| " + " | ".join(str(row.get(c, "")) for c in columns) + " |")

"""Measure speed: the tables of `docs/performance.md`."""

import asyncio
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from coach.demo.load import REHEARSAL_FILE, load
from coach.demo.rehearsal import Line
from coach.live import server
from coach.ops import benches
from safety.jsonlines import read

NAMES = ("pipeline", "retrieval", "sockets", "gateway", "redaction")


class Command(BaseCommand):
    help = "Print speed tables: pipeline, retrieval, sockets, gateway, redaction or all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=[*NAMES, "all"])

    def handle(self, *args: Any, **options: Any) -> None:
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

    def gateway(self) -> list[benches.Row]:
        return asyncio.run(benches.gateway(self.stderr.write))

    def retrieval(self) -> list[benches.Row]:
        from rag.benchmark import retrieval

        report = retrieval()
        return [*report["search"], {"what": "embedding", **report["embedding_ms"]}]

    def redaction(self) -> list[benches.Row]:
        from safety.comparison import compare

        return compare()

    def own_server(self) -> Any:
        return server.running(log=Path(settings.DATA_DIR) / "bench.log")

    def print_table(self, name: str, rows: list[benches.Row]) -> None:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        self.stdout.write(f"\n### {name}, milliseconds\n")
        self.stdout.write("| " + " | ".join(columns) + " |")
        self.stdout.write("|" + " --- |" * len(columns))
        for row in rows:
            self.stdout.write("| " + " | ".join(str(row.get(c, "")) for c in columns) + " |")

"""Play a script as a live session over real sockets."""

import asyncio
import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from coach.demo.load import REHEARSAL_FILE, DemoRefused, load
from coach.demo.rehearsal import Line, Played, Rehearsal, rehearse
from coach.live import server
from coach.live.client import rest
from safety.jsonlines import BadLine, read


class Command(BaseCommand):
    help = "Play {speaker, text} lines over real sockets; print nudges, stages and times."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, default=REHEARSAL_FILE)
        parser.add_argument("--url", help="ws://host:port of a running server; default: an own one")
        parser.add_argument("--json", action="store_true", help="JSON lines, the summary last")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            script = [
                Line(row["speaker"], row["text"])
                for row in read(options["file"], {"speaker": str, "text": str})
            ]
            token = load(progress=self.stderr.write).token
        except (BadLine, DemoRefused, OSError) as exc:
            raise CommandError(str(exc)) from exc
        if not script:
            raise CommandError(f"{options['file']} holds no lines")
        report = self.print_json if options["json"] else self.print_turn
        if options["url"]:
            result = asyncio.run(self.play(script, options["url"], token or "", report))
        else:
            self.stderr.write("starting a server ...")
            log = Path(settings.DATA_DIR) / "rehearsal.log"
            with server.running(log=log, environment=server.UNHURRIED) as own:
                result = asyncio.run(self.play(script, own.ws, token or "", report))
        summary = result.summary()
        if options["json"]:
            self.stdout.write(json.dumps({"summary": summary}))
        else:
            self.print_summary(summary)
        if summary["exactly_one_terminal"] != summary["turns"]:
            raise CommandError("some utterances did not reach exactly one terminal event")

    async def play(self, script: list[Line], url: str, token: str, report: Any) -> Rehearsal:
        async with rest(url, token) as api:
            return await rehearse(script, api, url, heard=report)

    def print_json(self, played: Played) -> None:
        self.stdout.write(
            json.dumps(
                {
                    "speaker": played.line.speaker,
                    "terminal": played.terminal,
                    "first_ms": played.turn.first_ms,
                    "total_ms": played.turn.total_ms,
                    "timing": played.timing,
                }
            )
        )

    def print_turn(self, played: Played) -> None:
        frame = played.terminal or {"type": "none"}
        self.stdout.write(f"{played.line.speaker}: {played.line.text}")
        took = f"{played.turn.total_ms:.0f} ms" if played.turn.total_ms is not None else "never"
        if frame["type"] == "nudge.done":
            why = f", {frame['reason']}" if frame["reason"] else ""
            self.stdout.write(f"    [{frame['source']}{why}, {took}] {frame['text']}")
        else:
            detail = frame.get("reason") or frame.get("policy") or frame.get("code") or ""
            self.stdout.write(f"    ({frame['type']} {detail}, {took})")

    def print_summary(self, summary: dict[str, Any]) -> None:
        out = self.stdout.write
        out("")
        out(f"{summary['turns']} turns, {summary['exactly_one_terminal']} with one terminal event")
        for name in ("outcomes", "sources", "reasons"):
            out(f"{name:<10}" + ", ".join(f"{k} {v}" for k, v in summary[name].items()))
        out("")
        out(f"{'milliseconds':<24}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}")
        rows = {
            "frame to terminal": summary["frame_to_terminal_ms"],
            "frame to first words": summary["frame_to_first_words_ms"],
            "on the server": summary["server_total_ms"],
            **{f"  {name}": spent for name, spent in summary["stages_ms"].items()},
        }
        for name, q in rows.items():
            if q:
                out(f"{name:<24}{q['p50']:>9.1f}{q['p95']:>9.1f}{q['p99']:>9.1f}{q['max']:>9.1f}")
        out(
            f"stages make up {100 * (summary['stages_over_total'] or 0):.1f} % of the server's time"
        )

"""Search a playbook for each line of JSON, as the road does."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from rag import lifecycle
from rag.direct import Direct
from rag.embedding import Encoder, model_directory
from rag.errors import RetrievalError
from rag.models import Playbook
from rag.retrieval import MODES, Filters, Found, Retrieval

TIMEOUT_S = 30.0


class Command(BaseCommand):
    help = 'Search for each {"id", "text"} of a file or of standard input.'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="JSON Lines; default: stdin")
        parser.add_argument("--playbook", required=True, help="slug or name")
        parser.add_argument("--organisation", type=UUID, default=settings.DEFAULT_ORGANISATION_ID)
        parser.add_argument("--mode", choices=MODES, default="hybrid")
        parser.add_argument("--limit", type=int, default=10)
        parser.add_argument("--diversity", type=float, default=0.0, help="0: by score alone")
        for facet in ("language", "deck", "activity", "role", "audience"):
            parser.add_argument(f"--{facet}", action="append", default=[])
        parser.add_argument("--explain", action="store_true", help="say why, for each result")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            playbook = lifecycle.find(options["organisation"], options["playbook"])
            encoder = Encoder.load(model_directory())
        except RetrievalError as exc:
            raise CommandError(str(exc)) from exc
        if options["limit"] < 1:
            raise CommandError("--limit must be at least 1")
        if options["file"] is None:
            self.search(sys.stdin, playbook, encoder, options)
            return
        try:
            with options["file"].open(encoding="utf-8") as lines:
                self.search(lines, playbook, encoder, options)
        except (OSError, UnicodeDecodeError) as exc:
            raise CommandError(f"{options['file']} cannot be read as UTF-8") from exc

    def search(
        self, lines: Iterable[str], playbook: Playbook, encoder: Encoder, options: dict[str, Any]
    ) -> None:
        async def run() -> None:
            async with Direct(playbook.organisation_id) as database:
                retrieval = Retrieval(database, encoder)
                async for asked, found in self.answers(lines, retrieval, playbook, options):
                    self.stdout.write(json.dumps(_answer(asked, found, options["explain"])))

        asyncio.run(run())

    async def answers(
        self,
        lines: Iterable[str],
        retrieval: Retrieval,
        playbook: Playbook,
        options: dict[str, Any],
    ) -> AsyncIterator[tuple[Any, Found]]:
        filters = Filters(
            **{
                facet: tuple(options[facet])
                for facet in ("language", "deck", "activity", "role", "audience")
            }
        )
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            asked, text, context = _asked(line, number)
            yield (
                asked,
                await retrieval.search(
                    text,
                    organisation_id=playbook.organisation_id,
                    playbook_id=playbook.id,
                    limit=options["limit"],
                    mode=options["mode"],
                    filters=filters,
                    context=context,
                    diversity=options["diversity"],
                    timeout_s=TIMEOUT_S,
                ),
            )


def _asked(line: str, number: int) -> tuple[Any, str, tuple[str, ...]]:
    try:
        row = json.loads(line)
        asked, text, context = row["id"], row["text"], row.get("context", ())
    except (ValueError, TypeError, KeyError) as exc:
        raise CommandError(f'line {number} is not {{"id", "text"}}') from exc
    if not isinstance(text, str) or not all(isinstance(turn, str) for turn in context):
        raise CommandError(f"line {number}: text is not text")
    return asked, text, tuple(context)


def _answer(asked: Any, found: Found, explain: bool) -> dict[str, Any]:
    results = []
    for passage in found.passages:
        result: dict[str, Any] = {
            "entry": passage.entry,
            "passage": str(passage.id),
            "rank": passage.rank,
            "score": passage.score,
        }
        if explain:
            result |= {"title": passage.title, "why": passage.explanation.as_json()}
        results.append(result)
    return {"id": asked, "results": results}

import secrets
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safety.management.rows import Row, RowsCommand
from safety.redaction import Redactor


class Command(RowsCommand):
    help = "Masks personal data: {id, text} -> text, entities with offsets into the input."
    required = {"id": object, "text": str}

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--names", type=Path, help="a file of names to mask, one per line")

    def prepare(self, *, names: Path | None = None, **_: Any) -> Callable[[Row], Row]:
        redactor, key = Redactor.load(), secrets.token_bytes(32)
        lines = names.read_text("utf-8").splitlines() if names else []
        roster = [line.strip() for line in lines if line.strip()]

        def answer(row: Row) -> Row:
            redacted = redactor.redact(row["text"], key=key, roster=roster)
            return {
                "id": row["id"],
                "text": redacted.text,
                "entities": [
                    {"type": e.type, "start": e.start, "end": e.end, "score": round(e.score, 4)}
                    for e in redacted.entities
                ],
            }

        return answer

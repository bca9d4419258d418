import secrets
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safety.management.rows import Row, RowsCommand
from safety.redaction import Lexicon, Redactor
from safety.redaction.lexicon import special_words


class Command(RowsCommand):
    help = "Masks personal data: {id, text} -> text, entities with offsets into the input."
    required = {"id": object, "text": str}

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--names", type=Path, help="a file of names to mask, one per line")

        parser.add_argument("--terms", type=Path, help="a file of further terms to mask")
        parser.add_argument("--keep", type=Path, help="a file of words to leave in")
        parser.add_argument(
            "--special",
            nargs="+",
            choices=sorted(special_words()),
            default=(),
            help="special categories to mask by their word lists",
        )

    def prepare(
        self,
        *,
        names: Path | None = None,
        terms: Path | None = None,
        keep: Path | None = None,
        special: Sequence[str] = (),
        **_: Any,
    ) -> Callable[[Row], Row]:
        redactor, key = Redactor.load(), secrets.token_bytes(32)
        roster = _lines(names)
        lexicon = Lexicon(tuple(_lines(terms)), frozenset(_lines(keep)), frozenset(special))

        def answer(row: Row) -> Row:
            redacted = redactor.redact(row["text"], key=key, roster=roster, lexicon=lexicon)
            return {
                "id": row["id"],
                "text": redacted.text,
                "entities": [
                    {"type": e.type, "start": e.start, "end": e.end, "score": round(e.score, 4)}
                    for e in redacted.entities
                ],
            }

        return answer


def _lines(path: Path | None) -> list[str]:
    lines = path.read_text("utf-8").splitlines() if path else []
    return [line.strip() for line in lines if line.strip()]

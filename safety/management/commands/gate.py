import asyncio
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from safety.errors import GateClosed
from safety.gate import Protected, release
from safety.management.rows import Row, RowsCommand


class Command(RowsCommand):
    help = "What a client would have seen: {id, chunks, passages?} -> shown, stopped, policy."
    required = {"id": object, "chunks": list}
    optional = {"passages": list, "names": list, "canaries": list, "prompt_lines": list}

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--names", type=Path, help="names no output may hold, one per line")
        parser.add_argument(
            "--canaries", type=Path, help="canaries no output may hold, one per line"
        )

    def prepare(
        self, *, names: Path | None = None, canaries: Path | None = None, **_: Any
    ) -> Callable[[Row], Row]:
        given = {"names": _lines(names), "canaries": _lines(canaries)}

        def answer(row: Row) -> Row:
            protected = Protected(
                names=[*given["names"], *_texts(row, "names")],
                canaries=[*given["canaries"], *_texts(row, "canaries")],
                prompt_lines=_texts(row, "prompt_lines"),
            )
            shown, policy = asyncio.run(
                _play(_texts(row, "chunks"), _texts(row, "passages"), protected)
            )
            return {
                "id": row["id"],
                "shown": shown,
                "stopped": policy is not None,
                "policy": policy,
            }

        return answer


async def _play(
    chunks: Sequence[str], passages: Sequence[str], protected: Protected
) -> tuple[str, str | None]:
    async def draft() -> AsyncIterator[str]:
        for chunk in chunks:
            yield chunk

    shown: list[str] = []
    try:
        async for clause in release(draft(), passages=passages, protected=protected):
            shown.append(clause)  # noqa: PERF401  what was shown must survive the raise
    except GateClosed as closed:
        return "".join(shown), closed.reason
    return "".join(shown), None


def _lines(path: Path | None) -> list[str]:
    lines = path.read_text("utf-8").splitlines() if path else []
    return [line.strip() for line in lines if line.strip()]


def _texts(row: Row, name: str) -> list[str]:
    return [str(one) for one in row.get(name) or ()]

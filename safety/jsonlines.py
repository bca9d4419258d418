"""JSON Lines in and out: how every command reads its rows and prints its answers."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_LONGEST_LINE = 4_000_000


class BadLine(ValueError):
    """A line that is no row; the message names the line and what is wrong, never its text."""

    def __init__(self, number: int, fault: str) -> None:
        super().__init__(f"line {number}: {fault}")
        self.number = number
        self.fault = fault


def read(
    source: Path | None, required: Mapping[str, type], optional: Mapping[str, type] | None = None
) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file, or of standard input when `source` is None or `-`.

    Empty lines are skipped. Raises BadLine when a line is too long, no UTF-8, no JSON object, or
    lacks a required key, or holds another type than asked for; OSError when there is no file.
    """
    if source is None or str(source) == "-":
        yield from _rows(sys.stdin.buffer, required, optional or {})
        return
    with source.open("rb") as lines:
        yield from _rows(lines, required, optional or {})


def dump(row: Mapping[str, Any]) -> str:
    """A row as one line, without its line end."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def _rows(
    lines: Any, required: Mapping[str, type], optional: Mapping[str, type]
) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _row(number, line, required, optional)


def _row(
    number: int, line: bytes, required: Mapping[str, type], optional: Mapping[str, type]
) -> dict[str, Any]:
    if len(line) > _LONGEST_LINE:
        raise BadLine(number, "longer than 4 MB")
    try:
        row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as exc:
        raise BadLine(number, "not UTF-8") from exc
    except (ValueError, RecursionError) as exc:
        raise BadLine(number, "not JSON") from exc
    if not isinstance(row, dict):
        raise BadLine(number, "not a JSON object")
    for name, kind in required.items():
        if name not in row:
            raise BadLine(number, f"no {name!r}")
        _check(number, name, row[name], kind)
    for name, kind in optional.items():
        if row.get(name) is not None:
            _check(number, name, row[name], kind)
    return row


def _check(number: int, name: str, value: Any, kind: type) -> None:
    if kind is object:
        return
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadLine(number, f"{name!r} is not of type {_NAMES.get(kind, kind.__name__)}")


_NAMES = {str: "text", int: "whole number", list: "list", dict: "object", bool: "true or false"}

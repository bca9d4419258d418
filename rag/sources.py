"""Import files to cards: JSON Lines, CSV, Markdown, Word and PDF, the words still unredacted."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag import documents
from rag.documents import Line, Table
from rag.errors import SourceUnreadable
from rag.models import TextSearch

# How an import names a tag, in the singular or plural, and the field of `Card` it fills.
TAGS: Mapping[str, str] = {
    "deck": "decks",
    "activity": "activities",
    "activities": "activities",
    "role": "roles",
    "audience": "audiences",
    "when_act": "when_acts",
    "when_emotion": "when_emotions",
    "trigger": "triggers",
}
MAX_BODY = 100_000


@dataclass(frozen=True)
class Card:
    """One entry as its author wrote it. Not redacted: it may not be stored or indexed."""

    key: str
    title: str
    body: str
    example: str = ""
    language: str = ""
    decks: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    when_acts: tuple[str, ...] = ()
    when_emotions: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    ignored: tuple[str, ...] = field(default=(), compare=False)


Reader = Callable[[bytes], Iterator[Card]]


def read(path: Path) -> list[Card]:
    """All cards of a file, in its order; its name's ending says what it is, as for `parse`."""
    _reader(path.name)
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise SourceUnreadable(f"{path.name} is not readable") from exc
    return parse(path.name, raw)


def parse(name: str, raw: bytes) -> list[Card]:
    """All cards of a file's bytes, in their order.

    `.jsonl`, `.csv`, `.md`, `.docx` and `.pdf`, each also with `.gz` after it. Raises
    SourceUnreadable, naming the line, when the file cannot be read whole.
    """
    reader, packed = _reader(name)
    try:
        content = gzip.decompress(raw) if packed else raw
    except (EOFError, gzip.BadGzipFile) as exc:
        raise SourceUnreadable(f"{name} is not readable") from exc
    try:
        cards = list(reader(content))
    except SourceUnreadable as exc:
        raise SourceUnreadable(f"{name}: {exc}") from exc
    if not cards:
        raise SourceUnreadable(f"{name} holds no entry")
    return cards


def _reader(name: str) -> tuple[Reader, bool]:
    """What reads a file of this name, and whether it is packed."""
    endings = [ending.lower() for ending in Path(name).suffixes]
    packed = endings[-1:] == [".gz"]
    kind = endings[-2 if packed else -1] if len(endings) > packed else ""
    if kind not in READERS:
        raise SourceUnreadable(f"{name}: one of {', '.join(READERS)} is needed")
    return READERS[kind], packed


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise SourceUnreadable("it is not UTF-8 text") from exc


def _json_lines(raw: bytes) -> Iterator[Card]:
    for number, line in enumerate(_decoded(raw).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as exc:
            raise SourceUnreadable(f"line {number} is not JSON") from exc
        if not isinstance(row, dict):
            raise SourceUnreadable(f"line {number} is not an object")
        yield _card(row, number)


def _csv(raw: bytes) -> Iterator[Card]:
    reader = csv.DictReader(io.StringIO(_decoded(raw), newline=""))
    try:
        for row in reader:
            named = {key.strip().lower(): value for key, value in row.items() if key}
            yield _card(named, reader.line_num)
    except csv.Error as exc:
        raise SourceUnreadable(f"line {reader.line_num} is not CSV") from exc


_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_LABEL = re.compile(r"\s*(?:[-*]\s+)?([A-Za-z_ ]{2,20}):\s+(.+)$")


def _markdown(raw: bytes) -> Iterator[Card]:
    return _sections(_markdown_lines(_decoded(raw)))


def _markdown_lines(text: str) -> Iterator[Line]:
    fenced = False
    for line in text.splitlines():
        fenced ^= bool(_FENCE.match(line))
        heading = None if fenced else _HEADING.match(line)
        yield Line(heading[2], len(heading[1])) if heading else Line(line)


def _word(raw: bytes) -> Iterator[Card]:
    """Cards of a Word file's sections, and of the rows of a table that names its columns."""
    lines: list[Line] = []
    for block in documents.word(raw):
        if isinstance(block, Line):
            lines += [block, Line("")]
        elif _names_fields(block):
            names = [name.strip().lower() for name in block.rows[0]]
            for number, row in enumerate(block.rows[1:], start=2):
                yield _card(dict(zip(names, row, strict=False)), number)
        else:
            lines += [Line(" | ".join(row)) for row in block.rows] + [Line("")]
    yield from _sections(lines)


def _names_fields(table: Table) -> bool:
    names = {name.strip().lower() for name in table.rows[0]} if table.rows else set()
    return bool(names & {"body", "text"})


def _pdf(raw: bytes) -> Iterator[Card]:
    lines = documents.pdf(raw)
    return _sections(each for line in lines for each in (line, Line("")))


def _sections(lines: Iterable[Line]) -> Iterator[Card]:
    """One card for each heading with words under it; the heading above it names its deck.

    Lines `deck: ...`, `when_acts: a, b`, `example: ...`, `id: ...` right under it are its fields.
    """
    above: list[str] = []
    sections: list[tuple[int, list[str], list[str]]] = [(0, [], [])]
    for number, line in enumerate(lines, start=1):
        if not line.level:
            sections[-1][2].append(line.text)
            continue
        above = [*above[: line.level - 1], line.text]
        sections.append((number, above, []))
    for number, titles, texts in sections:
        labels, body = _labels(texts)
        if body:
            row: dict[str, Any] = {"title": titles[-1] if titles else "", "body": body}
            if len(titles) > 1:
                row["deck"] = titles[-2]
            yield _card({**row, **labels}, max(number, 1))


def _labels(lines: Sequence[str]) -> tuple[dict[str, str], str]:
    known = {"id", "key", "language", "example", *TAGS, *TAGS.values()}
    labels: dict[str, str] = {}
    rest = list(lines)
    while rest:
        found = _LABEL.match(rest[0])
        name = found[1].strip().lower().replace(" ", "_") if found else ""
        if found and name in known:
            labels[name] = found[2].strip()
        elif rest[0].strip():
            break
        rest.pop(0)
    return labels, "\n".join(rest).strip()


READERS: Mapping[str, Reader] = {
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".md": _markdown,
    ".docx": _word,
    ".pdf": _pdf,
}


def _card(row: Mapping[str, Any], number: int) -> Card:
    fields: dict[str, tuple[str, ...]] = {}
    ignored: list[str] = []
    named = {**_tags(row.get("tags"), number), **row}
    for name, value in named.items():
        tag = name.strip().lower().replace("-", "_").replace(" ", "_")
        target = TAGS.get(tag) or (tag if tag in TAGS.values() else "")
        if target:
            fields[target] = (*fields.get(target, ()), *_values(value, number))
        elif tag not in KNOWN:
            ignored.append(tag)
    body = _text(row, ("body", "text"), number).strip()
    if not body:
        raise SourceUnreadable(f"line {number} has no body")
    if len(body) > MAX_BODY:
        raise SourceUnreadable(f"line {number} is longer than {MAX_BODY} characters")
    language = _language(named.get("language"), number)
    return Card(
        key=_text(row, ("id", "_id", "key"), number).strip() or f"line-{number}",
        title=_text(row, ("title",), number).strip(),
        body=body,
        example=_text(row, ("example",), number).strip(),
        language=language,
        **{name: tuple(dict.fromkeys(values)) for name, values in fields.items()},
        ignored=tuple(ignored),
    )


KNOWN = {"id", "_id", "key", "title", "body", "text", "example", "language", "tags"}


def _text(row: Mapping[str, Any], names: Sequence[str], number: int) -> str:
    value = next((row[name] for name in names if row.get(name) is not None), "")
    if not isinstance(value, str | int):
        raise SourceUnreadable(f"line {number}: {names[0]} is not text")
    return str(value)


def _tags(value: Any, number: int) -> dict[str, Any]:
    """Tags by name: from an object, or from a list of `deck:conflict` or bare deck names."""
    if value is None or value == "":
        return {}
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(value)
        except ValueError as exc:
            raise SourceUnreadable(f"line {number}: tags are not JSON") from exc
    if isinstance(value, dict):
        return {str(name): values for name, values in value.items()}
    tags: dict[str, Any] = {}
    for tag in _values(value, number):
        name, colon, rest = tag.partition(":")
        known = colon and (name.strip().lower() in TAGS or name.strip().lower() == "language")
        key, item = (name.strip().lower(), rest.strip()) if known else ("deck", tag)
        tags.setdefault(key, []).append(item)
    return tags


def _values(value: Any, number: int) -> tuple[str, ...]:
    if value is None:
        return ()
    items = re.split(r"[;,|]", value) if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(i, str | int) for i in items):
        raise SourceUnreadable(f"line {number}: a tag is neither text nor a list of texts")
    return tuple(text for item in items if (text := str(item).strip()))


def _language(value: Any, number: int) -> str:
    given = value[0] if isinstance(value, list) and value else value
    code = str(given or "").strip().lower().replace("_", "-").partition("-")[0]
    if not code:
        return ""
    if not code.isalpha() or len(code) not in (2, 3):
        raise SourceUnreadable(f"line {number}: language is not a code such as en")
    return code if code in TextSearch.values else TextSearch.OTHER

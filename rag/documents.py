"""Word and PDF files as lines with heading levels, which is what sections are made of.

Both formats are archives that others hand us: what they unpack to is bounded, and whatever the
libraries stumble over is one error with the file's name left to the caller.
"""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rag.errors import SourceUnreadable

MAX_BYTES = 50 * 2**20
MAX_UNPACKED = 200 * 2**20
MAX_PAGES = 2_000
# A line set this much larger than most of the text is a heading.
HEADING_SIZE = 1.12
# What stands at the edge of this share of the pages is a running head or foot.
RUNNING_SHARE, RUNNING_PAGES = 0.5, 4


@dataclass(frozen=True)
class Line:
    """A line of a document; `level` is its heading's, from 1, or 0 for ordinary text."""

    text: str
    level: int = 0


@dataclass(frozen=True)
class Table:
    """A table's cells, row by row."""

    rows: tuple[tuple[str, ...], ...]


def word(raw: bytes) -> Iterator[Line | Table]:
    """A .docx file's paragraphs and tables in their order; hidden text is marked as such.

    Raises SourceUnreadable for what is no Word file or unpacks to too much.
    """
    import docx
    from docx.opc.exceptions import OpcError
    from docx.table import Table as WordTable

    _check_archive(raw)
    try:
        document = docx.Document(io.BytesIO(raw))
        for block in document.iter_inner_content():
            if isinstance(block, WordTable):
                yield Table(tuple(tuple(_cells(row)) for row in block.rows))
            elif block.text.strip():
                yield from _paragraph(block)
    except (OpcError, KeyError, ValueError, AttributeError, SyntaxError) as exc:
        raise SourceUnreadable("it is not a readable Word file") from exc


def pdf(raw: bytes) -> Iterator[Line]:
    """A PDF's lines, headings told by their size; running heads and page numbers are left out.

    Raises SourceUnreadable for what is no PDF, is locked, or holds pictures of text only.
    """
    import pypdf
    from pypdf.errors import PyPdfError

    if len(raw) > MAX_BYTES:
        raise SourceUnreadable(f"it is larger than {MAX_BYTES // 2**20} MiB")
    try:
        reader = pypdf.PdfReader(io.BytesIO(raw))
        if reader.is_encrypted and not reader.decrypt(""):
            raise SourceUnreadable("it is locked by a password")
        if len(reader.pages) > MAX_PAGES:
            raise SourceUnreadable(f"it has more than {MAX_PAGES} pages")
        pages = [_sized_lines(page) for page in reader.pages]
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise SourceUnreadable("it is not a readable PDF") from exc
    if not any(pages):
        raise SourceUnreadable("it holds no text; a scan needs text recognition first")
    yield from _paragraphs(_without_running(pages))


def _check_archive(raw: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile as exc:
        raise SourceUnreadable("it is not a readable Word file") from exc
    if len(raw) > MAX_BYTES or unpacked > MAX_UNPACKED:
        raise SourceUnreadable(f"it unpacks to more than {MAX_UNPACKED // 2**20} MiB")


def _paragraph(block: Any) -> Iterator[Line]:
    style = str(block.style.name or "") if block.style is not None else ""
    found = re.fullmatch(r"(?:Heading|Überschrift|Titre|Título) (\d)", style)
    level = int(found[1]) if found else 1 if style == "Title" else 0
    # Shown to nobody, read by a model: as a comment, screening will see it for what it is.
    text = "".join(
        f"<!-- {run.text} -->" if run.font.hidden and run.text.strip() else run.text
        for run in block.runs
    )
    listed = "- " if style.startswith("List") and not text.startswith("- ") else ""
    yield Line(listed + (text.strip() or block.text.strip()), level)


def _cells(row: Any) -> Iterator[str]:
    seen: set[int] = set()
    for cell in row.cells:
        # A merged cell is there once for each column it spans.
        if id(cell._tc) not in seen:
            seen.add(id(cell._tc))
            yield cell.text.strip()


def _sized_lines(page: Any) -> list[tuple[str, float]]:
    """(text, size in points) of each line of a page, from top to bottom as the file has them."""
    lines: list[tuple[str, float]] = []
    pieces: list[tuple[str, float]] = []

    def close() -> None:
        text = re.sub(r"\s+", " ", "".join(piece for piece, _ in pieces)).strip()
        if text:
            lines.append((text, max(size for piece, size in pieces if piece.strip())))
        pieces.clear()

    def visit(text: str, _cm: Any, matrix: Sequence[float], _font: Any, size: float) -> None:
        scale = abs(float(matrix[3])) or 1.0
        for place, part in enumerate(text.split("\n")):
            if place:
                close()
            if part:
                pieces.append((part, round(float(size or 0) * scale, 1)))

    page.extract_text(visitor_text=visit)
    close()
    return lines


def _without_running(pages: Sequence[list[tuple[str, float]]]) -> list[list[tuple[str, float]]]:
    """The pages without lines that most of them begin or end with, numbers aside."""
    edges = Counter(
        key for page in pages for key in {_unnumbered(line) for line in page[:1] + page[-1:]}
    )
    often = max(RUNNING_PAGES, RUNNING_SHARE * len(pages))
    running = {key for key, count in edges.items() if count >= often}
    kept = []
    for page in pages:
        first = 1 if page and _unnumbered(page[0]) in running else 0
        last = len(page) - (1 if len(page) > first and _unnumbered(page[-1]) in running else 0)
        kept.append(page[first:last])
    return kept


def _unnumbered(line: tuple[str, float]) -> str:
    return re.sub(r"\d+", "#", line[0])


def _paragraphs(pages: Sequence[list[tuple[str, float]]]) -> Iterator[Line]:
    sizes = Counter[float]()
    for page in pages:
        for text, size in page:
            sizes[size] += len(text)
    usual = sizes.most_common(1)[0][0] if sizes else 0.0
    larger = sorted((size for size in sizes if size > usual * HEADING_SIZE), reverse=True)
    levels = {size: min(place, 6) for place, size in enumerate(larger, start=1)}
    for number, page in enumerate(pages, start=1):
        if not levels:
            yield Line(f"Page {number}", 1)
        held = ""
        for text, size in page:
            if size in levels:
                yield from _closed(held)
                held = ""
                yield Line(text, levels[size])
            elif held.endswith("-") and text[:1].islower():
                held = held[:-1] + text
            else:
                held = f"{held} {text}" if held else text
        yield from _closed(held)


def _closed(text: str) -> Iterator[Line]:
    if text:
        yield Line(text)

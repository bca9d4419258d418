"""Entries to passages: whole where an entry is short, else along its own structure."""

import re
from collections.abc import Callable, Iterator

# What one passage may hold, in words. A nudge is shorter than any of them; measured on
# development queries (docs/retrieval.md).
MAX_WORDS = 160
OVERLAP_WORDS = 0

_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[^\W\d_a-z]|\d)")


def split(
    text: str, *, max_words: int = MAX_WORDS, overlap_words: int = OVERLAP_WORDS
) -> list[str]:
    """A text's passages in order, each of at most `max_words` words; [] for blank text.

    Paragraphs and list items stay whole where they fit, then sentences, then runs of words. A
    passage that continues another repeats its last sentences, up to `overlap_words`.
    """
    text = text.strip()
    if not text:
        return []
    if _words(text) <= max_words:
        return [text]
    passages: list[str] = []
    held: list[str] = []
    for piece in _pieces(text, max_words - overlap_words):
        if held and sum(map(_words, held)) + _words(piece) > max_words:
            passages.append("".join(held).strip())
            held = _tail(held, overlap_words)
        held.append(piece)
    passages.append("".join(held).strip())
    return passages


def _pieces(text: str, max_words: int) -> Iterator[str]:
    """The text cut as coarsely as the limit allows; joined, the pieces are the text."""
    for block in _cut(text, _BLOCK):
        if _words(block) <= max_words:
            yield from _cut(block, _SENTENCE)
            continue
        for sentence in _cut(block, _SENTENCE):
            if _words(sentence) <= max_words:
                yield sentence
            else:
                words = re.findall(r"\S+\s*", sentence)
                for start in range(0, len(words), max_words):
                    yield "".join(words[start : start + max_words])


def _cut(text: str, boundary: re.Pattern[str]) -> Iterator[str]:
    start = 0
    for found in boundary.finditer(text):
        yield text[start : found.end()]
        start = found.end()
    yield text[start:]


def _tail(pieces: list[str], max_words: int) -> list[str]:
    kept: list[str] = []
    for piece in reversed(pieces):
        if sum(map(_words, kept)) + _words(piece) > max_words:
            break
        kept.insert(0, piece)
    return kept


def _words(text: str) -> int:
    return len(text.split())


Split = Callable[[str], list[str]]

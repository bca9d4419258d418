"""Texts as a page shows them: what changed between two, and which words stand for a secret."""

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum

from safety.redaction import PLACEHOLDER

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


class Change(StrEnum):
    """What happened to an entry or to words; `KEPT` is nothing."""

    KEPT = "kept"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MASKED = "masked"


@dataclass(frozen=True)
class Piece:
    """Words and what is to be said of them."""

    text: str
    change: Change


def changes(old: str, new: str) -> list[Piece]:
    """Both texts in one, word by word: what stayed, what went, what came."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    found: list[Piece] = []
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            found.append(Piece("".join(before[i:j]), Change.KEPT))
            continue
        gone, come = "".join(before[i:j]), "".join(after[k:m])
        found += [Piece(gone, Change.REMOVED)] if gone else []
        found += [Piece(come, Change.ADDED)] if come else []
    return found


def pieces(text: str) -> list[Piece]:
    """A redacted text with its placeholders told apart."""
    found: list[Piece] = []
    at = 0
    for mark in PLACEHOLDER.finditer(text):
        found += [Piece(text[at : mark.start()], Change.KEPT)] if mark.start() > at else []
        found.append(Piece(mark.group(), Change.MASKED))
        at = mark.end()
    return found + ([Piece(text[at:], Change.KEPT)] if at < len(text) else [])

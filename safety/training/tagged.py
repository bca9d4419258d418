"""A sentence in words, each with the kind of personal data it belongs to."""

from dataclasses import dataclass

from safety.redaction.tagger import KINDS, split_words


@dataclass(frozen=True)
class Tagged:
    """A sentence in words, each with the kind it belongs to; None for an ordinary word."""

    words: tuple[str, ...]
    kinds: tuple[str | None, ...]
    starts: tuple[bool, ...]
    source: str


def plain(text: str, source: str) -> Tagged:
    """A sentence in which every word is ordinary."""
    words = tuple(word for word, _, _ in split_words(text))
    return Tagged(words, (None,) * len(words), (False,) * len(words), source)


def labels_of(one: Tagged) -> list[int]:
    """A sentence's labels: 0 for an ordinary word, else 1 + 2 x kind, one more inside."""
    return [
        0 if kind is None else 1 + 2 * KINDS.index(kind) + (not start)
        for kind, start in zip(one.kinds, one.starts, strict=True)
    ]


def lowered(one: Tagged) -> Tagged:
    """The sentence as a recogniser of speech writes it: no capitals, no marks."""
    kept = [
        (word.lower(), kind, start)
        for word, kind, start in zip(one.words, one.kinds, one.starts, strict=True)
        if any(char.isalnum() for char in word)
    ]
    if not kept:
        return one
    words, kinds, starts = zip(*kept, strict=True)
    return Tagged(words, kinds, starts, one.source)

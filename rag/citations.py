"""How far does a clause rest on a passage by its words? With the words it rests on.

The share of a clause's content words that stand close together in a passage, weighed by how
telling each is among the passages at hand. What follows from it: `rag.grounding`.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

# How much wider than the clause, in words, a quote may be.
STRETCH = 2.0
MIN_SPAN = 8

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
# Words that any sentence holds and that support nothing.
_COMMON = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being but by
    can could did do does doing down each else even ever every few for from get go got had has
    have having he her here hers him his how i i'd i'll i'm i've if in into is it it's its just
    let let's like may me might mine more most much must my no nor not now of off on once one only
    or other our ours out over own perhaps please quite rather really same shall she should so
    some still such than that that's the their theirs them then there these they this those
    through to too up upon us very was we were what what's when where which while who whom whose
    why will with would yes yet you you'd you'll you're you've your yours
    """.split()  # noqa: SIM905  two hundred quoted words would be harder to read
)
_ENDINGS = ("ations", "ation", "ingly", "ments", "ment", "ings", "ness", "edly", "ing", "ies",
            "ied", "est", "ers", "ed", "es", "ly", "er", "s", "e", "y")  # fmt: skip


class Cited(Protocol):
    """What a passage needs for a clause to rest on it."""

    @property
    def id(self) -> UUID: ...
    @property
    def text(self) -> str: ...
    @property
    def title(self) -> str: ...


@dataclass(frozen=True)
class Support:
    """The passage a clause rests on best: `text[start:end]` is the quote, `score` in [0, 1]."""

    passage: UUID
    quote: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class _Word:
    stem: str
    start: int
    end: int


def support(clause: str, passages: Sequence[Cited]) -> Support | None:
    """The best support a clause has among the passages; None without content words or passages.

    The score is the share of the clause's content words, by weight, that one span of the
    passage holds (its title counts as part of every span). Ties go to the earlier passage and
    the shorter span.
    """
    asked = [word.stem for word in _content(clause)]
    if not asked or not passages:
        return None
    held = [_content(passage.text) for passage in passages]
    weights = _weights(asked, [{word.stem for word in words} for words in held])
    best: Support | None = None
    for passage, words in zip(passages, held, strict=True):
        found = _span(asked, weights, words, {word.stem for word in _content(passage.title)})
        if found is None:
            continue
        score, start, end = found
        if best is None or score > best.score:
            best = Support(passage.id, passage.text[start:end], start, end, score)
    return best


def telling_words(text: str) -> int:
    """How many of a text's words are not among those that any sentence holds."""
    return len(_content(text))


def _span(
    asked: Sequence[str], weights: dict[str, float], words: Sequence[_Word], title: set[str]
) -> tuple[float, int, int] | None:
    """(score, start, end) of the window that holds most of the clause's weight."""
    wanted = Counter(asked)
    total = sum(weights[stem] * count for stem, count in wanted.items())
    given = {stem for stem in wanted if stem in title}
    base = sum(weights[stem] * wanted[stem] for stem in given)
    hits = [place for place, word in enumerate(words) if word.stem in wanted]
    if not hits:
        return None
    reach = max(MIN_SPAN, int(STRETCH * len(asked)))
    best: tuple[float, int, int] | None = None
    for first in hits:
        gained, stems = base, set(given)
        for place in range(first, min(len(words), first + reach)):
            stem = words[place].stem
            if stem not in wanted or (stem in stems and place != first):
                continue
            if stem not in stems:
                gained += weights[stem] * wanted[stem]
                stems.add(stem)
            score = gained / total
            if best is None or score > best[0] + 1e-12:
                best = (score, words[first].start, words[place].end)
    return best


def _weights(asked: Iterable[str], held: Sequence[set[str]]) -> dict[str, float]:
    """How telling each stem is among these passages: one that all of them hold tells little."""
    return {
        stem: math.log(1 + (len(held) + 1) / (0.5 + sum(stem in stems for stems in held)))
        for stem in asked
    }


def _content(text: str) -> list[_Word]:
    return [
        _Word(_stem(found[0].lower()), found.start(), found.end())
        for found in _WORD.finditer(text)
        if found[0].lower().replace("’", "'") not in _COMMON
    ]


def _stem(word: str) -> str:
    """A word without its English ending; crude, and alike on both sides of the comparison."""
    word = word.replace("’", "'").partition("'")[0]
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word

"""What an organisation knows of its own words: terms to mask, words to leave, categories to hide.

The special categories of GDPR Art. 9 come as word lists in English, as a start and not as a
reading of the text: they are masked only for an organisation that asks for it, because a talk
about a strain at work may need the word for it.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from safety.redaction.spans import Found
from safety.text import normalise

SPECIAL = Path(__file__).parent / "special.toml"
TERM = "TERM"
# What only looks personal may be left in; what a checksum or a shape proves may not.
_LEAVABLE = frozenset({"NAME", "PLACE", "ORGANISATION", "ADDRESS", "POSTCODE"})
_NOTHING: Mapping[str, tuple[str, ...]] = {}


@dataclass(frozen=True)
class Lexicon:
    """`masked` terms become placeholders, `kept` words do not, `categories` name special lists."""

    masked: tuple[str, ...] = field(default=(), repr=False)
    kept: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()

    def find(self, text: str) -> Iterator[Found]:
        """Each whole-word mention of a masked term or of a word of a category, in any case."""
        for type_, words in (*self._special().items(), (TERM, self.masked)):
            pattern = _pattern(words)
            if pattern is not None:
                for found in pattern.finditer(text):
                    yield Found(found.start(), found.end(), type_, 1.0)

    def leaves(self, one: Found, text: str) -> bool:
        """Whether a find is a word that this organisation wants left in."""
        return one.type in _LEAVABLE and folded(text[one.start : one.end]) in self._folded_kept()

    def _special(self) -> Mapping[str, tuple[str, ...]]:
        if not self.categories:
            return _NOTHING
        return {name.upper(): special_words()[name] for name in sorted(self.categories)}

    def _folded_kept(self) -> frozenset[str]:
        return _all_folded(self.kept)


@cache
def special_words() -> Mapping[str, tuple[str, ...]]:
    """The word lists of the special categories, by name."""
    lists: dict[str, list[str]] = tomllib.loads(SPECIAL.read_text("utf-8"))
    return {name: tuple(words) for name, words in lists.items()}


def folded(words: str) -> str:
    """Words as they are compared: without case, with single spaces."""
    return " ".join(normalise(words).text.casefold().split())


@lru_cache(maxsize=512)
def _all_folded(words: frozenset[str]) -> frozenset[str]:
    return frozenset(map(folded, words))


@lru_cache(maxsize=512)
def _pattern(words: Sequence[str]) -> re.Pattern[str] | None:
    terms = sorted({folded(word) for word in words if folded(word)}, key=len, reverse=True)
    if not terms:
        return None
    shapes = "|".join(re.escape(term).replace(r"\ ", r"[\s\-]{1,3}") for term in terms)
    return re.compile(rf"(?<!\w)(?:{shapes})(?!\w)", re.IGNORECASE)

"""The redactor: Presidio's engines driven with our own recognisers, in bounded time."""

import math
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from safety.errors import RedactionFailed
from safety.redaction.contact import find_emails, find_ips, find_phones, find_urls
from safety.redaction.dates import find_birth_dates
from safety.redaction.identity import find_national_ids
from safety.redaction.lexicon import Lexicon
from safety.redaction.money import find_cards, find_ibans
from safety.redaction.names import find_introduced, find_roster, roster_owner
from safety.redaction.places import find_addresses, find_postcodes
from safety.redaction.pseudonyms import PLACEHOLDER, placeholder
from safety.redaction.said import find_said
from safety.redaction.scripts import find_in_other_scripts
from safety.redaction.secrets import find_secrets
from safety.redaction.spans import Finder, Found
from safety.redaction.tagger import Tagger
from safety.text import normalise

FINDERS: Mapping[str, Finder] = {
    "EMAIL": find_emails,
    "URL": find_urls,
    "IP": find_ips,
    "CARD": find_cards,
    "IBAN": find_ibans,
    "SECRET": find_secrets,
    "ID": find_national_ids,
    "PHONE": find_phones,
    "BIRTH_DATE": find_birth_dates,
    "ADDRESS": find_addresses,
    "POSTCODE": find_postcodes,
    "NAME": find_introduced,
    "SAID": find_said,
}
# Where two types claim the same characters, the one whose check is the strictest names them.
_STRENGTH = (
    *("SECRET", "EMAIL", "URL", "IBAN", "CARD", "ID", "IP", "BIRTH_DATE", "PHONE", "TERM"),
    *("HEALTH", "BELIEF", "ORIENTATION", "POLITICS", "ORIGIN"),
)
NO_LEXICON = Lexicon()
_LANGUAGE = "en"
_BASE_S, _PER_CHARACTER_S = 1.0, 0.0005

_deadline: ContextVar[float] = ContextVar("redaction_deadline")


@dataclass(frozen=True)
class Entity:
    """Characters `[start, end)` of the input hold personal data; score in [0, 1]."""

    type: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Redacted:
    """A text whose personal data are placeholders; `pseudonyms` turns them back, never shown."""

    text: str
    entities: tuple[Entity, ...]
    pseudonyms: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Redactor:
    """Masks personal data. Safe to share between threads; hold one per process."""

    _analyzer: Any = field(repr=False)
    _anonymizer: Any = field(repr=False)

    @classmethod
    def load(cls, finders: Mapping[str, Finder] | None = None) -> "Redactor":
        """A redactor with these recognisers, or all of ours; nothing is downloaded.

        The libraries take 2 s. Raises RedactionFailed when the model of names is missing.
        """
        from safety.redaction import presidio

        chosen = finders if finders is not None else {**FINDERS, **_of_names()}
        return cls(presidio.analyzer(chosen, before_each=_check_time), presidio.anonymizer())

    def redact(
        self,
        text: str,
        *,
        key: bytes,
        roster: Sequence[str] = (),
        lexicon: Lexicon = NO_LEXICON,
        patience: float = 1.0,
    ) -> Redacted:
        """Replace personal data by placeholders that only this session's 32-byte `key` explains.

        Raises RedactionFailed when a recogniser fails or the time is up (1 s and 0.5 ms per
        character, a hundred times what it takes, times `patience`): then nothing of the text may
        travel.
        """
        limit_s = (_BASE_S + _PER_CHARACTER_S * len(text)) * patience
        _deadline.set(time.monotonic() + limit_s)
        try:
            spans = self._spans(text, roster, lexicon)
            return self._replace(text, spans, key, roster)
        except RedactionFailed:
            raise
        except Exception as exc:
            # Whatever broke inside a recogniser or Presidio, its message may quote the text.
            raise RedactionFailed(type(exc).__name__) from None

    def _spans(self, text: str, roster: Sequence[str], lexicon: Lexicon) -> list[Found]:
        plain = normalise(text)
        found = [
            one
            for one in self._found_by_presidio(plain.text)
            if not lexicon.leaves(one, plain.text)
        ]
        found += lexicon.find(plain.text)
        _check_time()
        members = list(find_roster(plain.text, roster))
        found = [*members, *(part for one in found for part in _without(one, members, plain.text))]
        kept = [mark.span() for mark in PLACEHOLDER.finditer(plain.text)]
        found = [one for one in found if not _inside(one, kept)]
        spans = []
        for one in merged(found):
            start, end = plain.span(one.start, one.end)
            spans.append(Found(start, end, one.type, one.score))
        _check_time()
        return spans

    def _found_by_presidio(self, text: str) -> list[Found]:
        if not text.strip():
            return []
        results = self._analyzer.analyze(text, _LANGUAGE)
        return [Found(r.start, r.end, r.entity_type, r.score) for r in results]

    def _replace(
        self, text: str, spans: Sequence[Found], key: bytes, roster: Sequence[str]
    ) -> Redacted:
        from safety.redaction import presidio

        pseudonyms: dict[str, str] = {}
        marks: list[str] = []
        for span in spans:
            words = text[span.start : span.end]
            owner = roster_owner(words, roster) if span.type == "NAME" else words
            mark = placeholder(span.type, owner, key)
            pseudonyms.setdefault(mark, owner)
            marks.append(mark)
        shown = presidio.replace(self._anonymizer, text, spans, marks)
        entities = tuple(Entity(span.type, span.start, span.end, span.score) for span in spans)
        return Redacted(shown, entities, pseudonyms)


def _of_names() -> Mapping[str, Finder]:
    """What needs a model, or guesses: it blurs an utterance, and would refuse a good draft."""
    return {"OTHER_SCRIPT": find_in_other_scripts, "TRAINED": Tagger.load().find}


def merged(found: Sequence[Found]) -> Iterator[Found]:
    """Spans without overlap, in order: what overlaps is united, so no character is left out."""
    group: list[Found] = []
    end = -1
    for one in sorted(found):
        if group and one.start >= end:
            yield _united(group)
            group = []
        group.append(one)
        end = max(one.end, end) if len(group) > 1 else one.end
    if group:
        yield _united(group)


def _united(group: Sequence[Found]) -> Found:
    longest = max(one.end - one.start for one in group)
    leading = [one for one in group if one.end - one.start == longest]
    best = min(leading, key=lambda one: _STRENGTH.index(one.type) if one.type in _STRENGTH else 99)
    start, end = min(one.start for one in group), max(one.end for one in group)
    return Found(start, end, best.type, max(one.score for one in group))


def _without(one: Found, members: Sequence[Found], text: str) -> Iterator[Found]:
    """A name less the roster's mentions in it, so that a member keeps the one placeholder.

    `members` are in order and apart from each other.
    """
    cuts: list[tuple[int, int]] = []
    for member in islice(members, bisect_right(members, one.start, key=_end), None):
        if member.start >= one.end:
            break
        cuts.append((member.start, member.end))
    if one.type != "NAME" or not cuts:
        yield one
        return
    edges = [one.start, *(edge for cut in cuts for edge in cut), one.end]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        words = text[start:end]
        if start < end and words.strip():
            lead = len(words) - len(words.lstrip())
            yield replace(one, start=start + lead, end=start + len(words.rstrip()))


def _end(one: Found) -> int:
    return one.end


def _inside(one: Found, kept: Sequence[tuple[int, int]]) -> bool:
    """Whether one of these stretches, in order and apart, holds all of a find."""
    at = bisect_right(kept, (one.start, math.inf)) - 1
    return at >= 0 and one.end <= kept[at][1]


def _check_time() -> None:
    if time.monotonic() > _deadline.get():
        raise RedactionFailed("late")

"""Talk of our own writing with names, places and addresses in it, in English and elsewhere.

Sentence shapes and names of dev are never used in train. What is planted keeps its characters, so
that a redactor can be asked about the text as well as a model about its words.
"""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from safety.redaction.tagger import split_words
from safety.training.corpus import OWN
from safety.training.tagged import Tagged

Split = Literal["train", "dev"]

_SLOT = re.compile(r"\{(\w+?)\d?\}")
_MADE = {"train": 7000, "dev": 600}
_PLAIN_EACH = {"train": 4, "dev": 4}
# Of each language: sentences by template, English ones with its names, plain ones by sentence.
_BY_TEMPLATE = {"train": 16, "dev": 12}
_IN_ENGLISH = {"train": 220, "dev": 40}
_PLAIN_ABROAD = {"train": 10, "dev": 1}
_DEV_SHARE, _DEV_SHARE_ABROAD = 0.12, 0.25
# How often a first name is also a word, a surname is, and a first name brings its surname along.
_WORDY_SHARE, _WORDY_LAST_SHARE, _FULL_SHARE = 0.12, 0.2, 0.15
_LISTS = (
    "first", "wordy", "last", "wordy_last", "places", "organisations", "streets", "templates",
)  # fmt: skip

Lists = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Planted:
    """Characters `[start, end)` of a made text, and the kind of what was put there."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Made:
    """A made text and what was planted in it; `language` is that of the names."""

    text: str
    planted: tuple[Planted, ...]
    source: str
    language: str = "en"

    def tagged(self) -> Tagged:
        """The text in words, each with its kind."""
        words, kinds, starts = [], [], []
        for word, start, _ in split_words(self.text):
            inside = [one for one in self.planted if one.start <= start < one.end]
            words.append(word)
            kinds.append(inside[0].kind if inside else None)
            starts.append(bool(inside) and inside[0].start == start)
        return Tagged(tuple(words), tuple(kinds), tuple(starts), self.source)


def made(split: Split, rng: random.Random) -> Iterator[Made]:
    """English talk: templates with names of many origins, and sentences that name nobody."""
    lists = _english(split)
    for _ in range(_MADE[split]):
        yield _filled(rng.choice(lists["templates"]), lists, rng, "made", "en")
    for text in lists["plain"]:
        for _ in range(_PLAIN_EACH[split]):
            yield Made(text, (), "plain")


def abroad(split: Split, rng: random.Random) -> Iterator[Made]:
    """Talk in other languages, and English talk about people with names from there."""
    english = _english(split)
    for language, own in _languages().items():
        lists = _lists_abroad(own, english, split)
        for template in lists["templates"]:
            for _ in range(_BY_TEMPLATE[split]):
                yield _filled(template, lists, rng, "languages", language)
        for _ in range(_IN_ENGLISH[split]):
            template = rng.choice(english["templates"])
            yield _filled(template, lists, rng, "foreign names", language)
        for text in lists["plain"]:
            for _ in range(_PLAIN_ABROAD[split]):
                yield Made(text, (), "plain languages", language)


@cache
def _english(split: Split) -> Lists:
    own = _read("talk.toml")
    lists = {name: _share(_items(own[name]), split, _DEV_SHARE) for name in _LISTS}
    return lists | {"plain": _share(own["plain"], split, _DEV_SHARE)}


@cache
def _languages() -> Mapping[str, Mapping[str, Any]]:
    return _read("languages.toml")


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((OWN / name).read_text("utf-8"))


def _lists_abroad(own: Mapping[str, Any], english: Lists, split: Split) -> Lists:
    """A language's own lists; what it has none of is English, but for sentences."""
    found = {
        name: _share(_items(own[name]), split, _DEV_SHARE_ABROAD)
        for name in ("first", "last", "places", "templates", "plain")
        if name in own
    }
    words = {"wordy": found["first"], "wordy_last": found["last"]}
    return {**english, "templates": (), "plain": (), **words, **found}


def _items(values: str | Sequence[str]) -> list[str]:
    return values.split() if isinstance(values, str) else list(values)


def _share(values: Sequence[str], split: Split, dev_share: float) -> list[str]:
    """A fixed part of a list for dev, the rest for train."""
    shuffled = random.Random("own").sample(list(values), len(values))
    cut = int(len(values) * dev_share)
    return shuffled[:cut] if split == "dev" else shuffled[cut:]


def _filled(template: str, lists: Lists, rng: random.Random, source: str, language: str) -> Made:
    text, planted, at = "", [], 0
    for slot in _SLOT.finditer(template):
        text += template[at : slot.start()]
        filling, kind = _filling(slot.group(1), lists, rng)
        planted.append(Planted(len(text), len(text) + len(filling), kind))
        text += filling
        at = slot.end()
    return Made(text + template[at:], tuple(planted), source, language)


def _filling(slot: str, lists: Lists, rng: random.Random) -> tuple[str, str]:
    first = rng.choice(lists["wordy" if rng.random() < _WORDY_SHARE else "first"])
    last = rng.choice(lists["wordy_last" if rng.random() < _WORDY_LAST_SHARE else "last"])
    match slot:
        case "first" if rng.random() < _FULL_SHARE:
            return f"{first} {last}", "NAME"
        case "first":
            return first, "NAME"
        case "last":
            return last, "NAME"
        case "full":
            return f"{first} {last}", "NAME"
        case "place":
            return rng.choice(lists["places"]), "PLACE"
        case "org":
            return rng.choice(lists["organisations"]), "ORGANISATION"
        case "street":
            return rng.choice(lists["streets"]), "ADDRESS"
        case "number":
            return str(rng.randint(1, 240)), "ADDRESS"
        case _:
            raise ValueError(f"no such slot: {slot}")

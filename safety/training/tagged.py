"""Labelled names, places and organisations: public sets, and talk made from our templates."""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safety.redaction.tagger import KINDS, split_words
from safety.training.corpus import OWN, read_rows

_KIND_OF = {
    "PER": "NAME",
    "person": "NAME",
    "PERSON": "NAME",
    "LOC": "PLACE",
    "location": "PLACE",
    "GPE": "PLACE",
    "ORG": "ORGANISATION",
    "corporation": "ORGANISATION",
    "group": "ORGANISATION",
    "ORGANIZATION": "ORGANISATION",
    "STREET_ADDRESS": "ADDRESS",
    "ZIP_CODE": "ADDRESS",
}
_SLOT = re.compile(r"\{(\w+?)\d?\}")
_CAPITAL = re.compile(r"(?<=\s)(?!I\b|I')[A-Z]")
_MADE = {"train": 7000, "dev": 600}
_DEV_SHARE = 0.12


@dataclass(frozen=True)
class Tagged:
    """A sentence in words, each with the kind it belongs to; None for an ordinary word."""

    words: tuple[str, ...]
    kinds: tuple[str | None, ...]
    starts: tuple[bool, ...]
    source: str


def load(data: Path, split: str, seed: int) -> list[Tagged]:
    """Every tagged sentence of a split; templates and names of dev are never used in train."""
    found = [
        *_public(data / f"ner/btc.{split}.jsonl.gz", "btc"),
        *_public(data / f"ner/wnut17.{split}.jsonl.gz", "wnut17"),
        *_public(data / f"ner/presidio_synth.{split}.jsonl.gz", "presidio_synth"),
        *_made(split, random.Random(f"{seed} {split}")),
        *_ordinary(data, split, random.Random(seed)),
    ]
    return [one for one in found if one.words]


def _public(path: Path, source: str) -> Iterator[Tagged]:
    for row in read_rows(path):
        kinds = tuple(_KIND_OF.get(tag[2:]) if tag != "O" else None for tag in row["tags"])
        starts = tuple(tag.startswith("B-") for tag in row["tags"])
        yield Tagged(tuple(row["tokens"]), kinds, starts, source)


def _ordinary(data: Path, split: str, rng: random.Random) -> Iterator[Tagged]:
    """Comments in which nothing but the first word is capital: they name nobody."""
    rows = [
        row["text"]
        for row in read_rows(data / f"emotion/goemotions.{split}.jsonl.gz")
        if "[" not in row["text"] and not _CAPITAL.search(row["text"])
    ]
    for text in rng.sample(rows, min(len(rows), 4000 if split == "train" else 400)):
        yield plain(text, "ordinary")


def plain(text: str, source: str) -> Tagged:
    """A sentence in which every word is ordinary."""
    words = tuple(word for word, _, _ in split_words(text))
    return Tagged(words, (None,) * len(words), (False,) * len(words), source)


def _made(split: str, rng: random.Random) -> Iterator[Tagged]:
    own = tomllib.loads((OWN / "talk.toml").read_text("utf-8"))
    lists = {
        name: _share(own[name].split() if isinstance(own[name], str) else own[name], split)
        for name in ("first", "wordy", "last", "places", "organisations", "streets", "templates")
    }
    for _ in range(_MADE[split]):
        yield _filled(rng.choice(lists["templates"]), lists, rng)
    for text in _share(own["plain"], split):
        for _ in range(4):
            yield plain(text, "plain")


def _share(values: Sequence[str], split: str) -> list[str]:
    """A fixed part of a list for dev, the rest for train."""
    shuffled = random.Random("own").sample(list(values), len(values))
    cut = int(len(values) * _DEV_SHARE)
    return shuffled[:cut] if split == "dev" else shuffled[cut:]


def _filled(template: str, lists: Mapping[str, Sequence[str]], rng: random.Random) -> Tagged:
    words: list[str] = []
    kinds: list[str | None] = []
    starts: list[bool] = []
    at = 0
    for slot in (*_SLOT.finditer(template), None):
        for word, _, _ in split_words(template[at : slot.start() if slot else len(template)]):
            words.append(word)
            kinds.append(None)
            starts.append(False)
        if slot is None:
            break
        filling, kind = _filling(slot.group(1), lists, rng)
        for place, (word, _, _) in enumerate(split_words(filling)):
            words.append(word)
            kinds.append(kind)
            starts.append(place == 0)
        at = slot.end()
    return Tagged(tuple(words), tuple(kinds), tuple(starts), "made")


def _filling(
    slot: str, lists: Mapping[str, Sequence[str]], rng: random.Random
) -> tuple[str, str | None]:
    first = rng.choice(lists["wordy"] if rng.random() < 0.12 else lists["first"])
    match slot:
        case "first":
            return first, "NAME"
        case "last":
            return rng.choice(lists["last"]), "NAME"
        case "full":
            return f"{first} {rng.choice(lists['last'])}", "NAME"
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

"""Labelled names, places and organisations: public sets, and talk made from our templates."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

from safety.training import talk
from safety.training.corpus import read_rows
from safety.training.tagged import Tagged, plain

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
_CAPITAL = re.compile(r"(?<=\s)(?!I\b|I')[A-Z]")


def load(data: Path, split: talk.Split, seed: int) -> list[Tagged]:
    """Every tagged sentence of a split; templates and names of dev are never used in train."""
    found = [
        *_public(data / f"ner/btc.{split}.jsonl.gz", "btc"),
        *_public(data / f"ner/wnut17.{split}.jsonl.gz", "wnut17"),
        *_public(data / f"ner/presidio_synth.{split}.jsonl.gz", "presidio_synth"),
        *(made.tagged() for made in talk.made(split, random.Random(f"{seed} {split}"))),
        *(made.tagged() for made in talk.abroad(split, random.Random(f"{seed} {split} abroad"))),
        *_ordinary(data, split, random.Random(seed)),
    ]
    return [one for one in found if one.words]


def _public(path: Path, source: str) -> Iterator[Tagged]:
    for row in read_rows(path):
        kinds = tuple(_KIND_OF.get(tag[2:]) if tag != "O" else None for tag in row["tags"])
        starts = tuple(tag.startswith("B-") for tag in row["tags"])
        yield Tagged(tuple(row["tokens"]), kinds, starts, source)


def _ordinary(data: Path, split: talk.Split, rng: random.Random) -> Iterator[Tagged]:
    """Comments in which nothing but the first word is capital: they name nobody."""
    rows = [
        row["text"]
        for row in read_rows(data / f"emotion/goemotions.{split}.jsonl.gz")
        if "[" not in row["text"] and not _CAPITAL.search(row["text"])
    ]
    for text in rng.sample(rows, min(len(rows), 4000 if split == "train" else 400)):
        yield plain(text, "ordinary")

"""Labelled sets as examples: a text, the turn before it if there is one, a target per head."""

import gzip
import hashlib
import io
import json
import random
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safety.classifiers.heads import BY_NAME

OWN = Path(__file__).parent / "own"
BASIC = {"S": 0, "Q": 1, "B": 2, "D": 3, "F": 4}
FORM = {"qw": "open", "qo": "open", "qy": "closed", "qr": "closed", "qrr": "closed"}
OWN_DEV_SHARE = 0.15
ORDINARY, ORDINARY_EACH = "ordinary trouble", 12
SAYING, SAYING_EACH = "ordinary saying", 4

# Ordinary talk stands in as a negative for the dangers, except where a word makes that doubtful.
_DOUBTFUL = re.compile(
    r"suicid|kill(ing)? (my|him|her|your)sel|self.?harm|hurt(ing)? myself|end (it|my life)"
    r"|want(ed)? "
    r"to die|wish i (was|were) dead|better off (dead|without me)|\bcut(ting)? myself"
    r"|overdos|hang myself"
    r"|ignore (all|any|the|your|previous)|system prompt|jailbreak",
    re.IGNORECASE,
)
_RUDE = re.compile(
    r"fuck|shit|bitch|\bass\b|asshole|\bcunt|idiot|stupid|moron|dumb|retard|whore|slut|bastard"
    r"|pathetic|scum|nigg|\bfag|\bhate\b|\bkill|\bdie\b|disgusting|loser|sexy|racist",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Target:
    """What one head should say: a label index for a choice, else one 0/1 per label."""

    value: tuple[float, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Example:
    """One labelled utterance; `source` names its set, `kind` the sub-kind that figures are by."""

    text: str
    previous: str | None
    targets: Mapping[str, Target]
    source: str
    kind: str = ""


def choice(head: str, label: str) -> Target:
    """A target that names one label of a head."""
    return Target((float(BY_NAME[head].labels.index(label)),))


def yes(value: bool, weight: float = 1.0) -> Target:
    """A target for a head that scores one label."""
    return Target((float(value),), weight)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file, gzip-compressed where its name says so."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    with io.BytesIO(data) as lines:
        for line in lines:
            yield json.loads(line)


def load(data: Path, split: str) -> dict[str, list[Example]]:
    """Every set's examples of one split (`train` or `dev`), by set name."""

    def rows(name: str) -> Iterator[dict[str, Any]]:
        return read_rows(data / f"{name}.{split}.jsonl.gz")

    return {
        "annomi": [_annomi(row) for row in rows("acts/annomi")],
        "mrda": [_mrda(row) for row in rows("acts/mrda")],
        "goemotions": [_goemotions(row) for row in rows("emotion/goemotions")],
        "davidson": [_davidson(row) for row in rows("toxicity/davidson")],
        "convabuse": [_convabuse(row) for row in rows("toxicity/convabuse")],
        "civil": [_civil(row) for row in rows("toxicity/civil")],
        "ailuminate": [_ailuminate(row) for row in rows("selfharm/ailuminate")],
        "injection": list(_injection(rows("injection/injection"))),
        "own": [*own(split), *ordinary(split)],
        "heard": list(heard(split)),
    }


def own(split: str) -> Iterator[Example]:
    """Our own sentences; a hash of the text decides which of them are kept for dev."""
    return _ours(OWN, split, source="own")


def heard(split: str) -> Iterator[Example]:
    """How people may say that they want to die, veiled and plainly, and what only sounds alike.

    Seven hands wrote a file each, and knew neither the model nor what it is tested on.
    """
    return _ours(OWN / "heard", split, source="heard")


def _ours(folder: Path, split: str, *, source: str) -> Iterator[Example]:
    for path in sorted(folder.glob("*.jsonl")):
        for row in read_rows(path):
            if _is_dev(row["text"]) == (split == "dev"):
                yield _own(row, source)


def ordinary(split: str) -> Iterator[Example]:
    """Hard days that are no crisis, put together from our own parts.

    A trouble belongs to one split with all its sentences, so that dev has troubles never seen.
    """
    parts = tomllib.loads((OWN / "ordinary.toml").read_text("utf-8"))
    troubles = [trouble for trouble in parts["troubles"] if _is_dev(trouble) == (split == "dev")]
    rng = random.Random("ordinary")
    no = {danger: yes(False) for danger in ("self_harm", "toxicity", "injection")}
    for trouble in troubles:
        yield Example(_sentence(trouble), None, no, "own", ORDINARY)
        for _ in range(ORDINARY_EACH):
            opener = rng.choice(parts["openers"]) if rng.random() < 0.5 else ""
            ending = rng.choice(parts["outcomes"] if rng.random() < 0.7 else troubles)
            joint = "" if ending in parts["outcomes"] else rng.choice(("and ", "because "))
            said = _sentence(f"{opener} {trouble}, {joint}{ending}")
            yield Example(said, None, no, "own", ORDINARY)
    for saying in parts["sayings"]:
        if _is_dev(saying) == (split == "dev"):
            yield Example(_sentence(saying), None, no, "own", SAYING)
            for _ in range(SAYING_EACH if split == "train" else 0):
                opener = rng.choice(parts["openers"]) if rng.random() < 0.6 else ""
                ending = f", {rng.choice(parts['outcomes'])}" if rng.random() < 0.4 else ""
                yield Example(_sentence(f"{opener} {saying}{ending}"), None, no, "own", SAYING)


def _sentence(words: str) -> str:
    words = words.strip()
    return f"{words[0].upper()}{words[1:]}."


def _is_dev(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] / 256 < OWN_DEV_SHARE


def _own(row: Mapping[str, Any], source: str) -> Example:
    targets = {
        name: choice(name, value) if isinstance(value, str) else yes(bool(value))
        for name, value in row["targets"].items()
    }
    return Example(row["text"], row.get("previous"), targets, source, row["kind"])


def _implied(text: str, weight: float) -> dict[str, Target]:
    """Ordinary talk says no to self-harm and injection, and to toxicity where no word is rude."""
    if _DOUBTFUL.search(text):
        return {}
    targets = {"self_harm": yes(False, weight), "injection": yes(False, weight)}
    if not _RUDE.search(text):
        targets["toxicity"] = yes(False, weight)
    return targets


def _annomi(row: Mapping[str, Any]) -> Example:
    head = row["role"]
    targets = {head: choice(head, row["labels"][0])} | _implied(row["text"], 0.3)
    return Example(row["text"], row["prev"] or None, targets, "annomi", head)


def _mrda(row: Mapping[str, Any]) -> Example:
    targets = {
        "basic": choice("basic", row["basic"]),
        "commitment": yes("cc" in row["acts"]),
    } | _implied(row["text"], 0.1)
    forms = {FORM[label] for label in row["labels"] if label in FORM}
    if len(forms) == 1:
        targets["form"] = choice("form", forms.pop())
    return Example(row["text"], row["prev"] or None, targets, "mrda")


def _goemotions(row: Mapping[str, Any]) -> Example:
    labels = BY_NAME["emotion"].labels
    emotion = Target(tuple(float(label in row["labels"]) for label in labels))
    return Example(
        row["text"], None, {"emotion": emotion} | _implied(row["text"], 0.2), "goemotions"
    )


def _davidson(row: Mapping[str, Any]) -> Example:
    label = row["labels"][0]
    targets = {"davidson": choice("davidson", label), "toxicity": yes(label != "neither")}
    return Example(row["text"], None, targets, "davidson", label)


def _convabuse(row: Mapping[str, Any]) -> Example:
    abusive = row["labels"] == ["abusive"]
    targets = {"convabuse": yes(abusive), "toxicity": yes(abusive)}
    return Example(row["text"], row["prev"] or None, targets, "convabuse")


def _civil(row: Mapping[str, Any]) -> Example:
    toxic = row["labels"] == ["toxic"]
    return Example(row["text"], None, {"civil": yes(toxic), "toxicity": yes(toxic)}, "civil")


def _ailuminate(row: Mapping[str, Any]) -> Example:
    target = {"self_harm": yes(row["labels"] == ["self_harm"])}
    return Example(row["text"], None, target, "ailuminate", row["hazard"])


def _injection(rows: Iterable[Mapping[str, Any]]) -> Iterator[Example]:
    for row in rows:
        target = {"injection": yes(row["labels"] == ["injection"])}
        yield Example(row["text"], None, target, "injection", row["kind"])

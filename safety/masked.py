"""How much the redactor takes of what is planted, and how much of ordinary talk it leaves."""

import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from safety.figures import Report, quantile, share
from safety.planted import items
from safety.redaction import Redactor
from safety.redaction.tagger import split_words
from safety.training.corpus import ordinary, own, read_rows
from safety.training.talk import Made, abroad, made

Row = Mapping[str, Any]
Each = TypeVar("Each")

_KEY = bytes(32)
_SEED = "evaluate"
_EACH = 25
# Kinds of our own sentences that name nobody; the names model is trained on none of them.
_NAMELESS = frozenset(
    {
        "ordinary coaching turn",
        "look-alike trigger words",
        "long benign request",
        "playbook text, imperative",
        "open question",
        "closed question",
        "idiom",
        "venting",
    }
)
# Titles, ages and other dates are left in on purpose.
_LEFT_IN = frozenset({"TITLE", "AGE", "DATE_TIME", "NRP"})


def redaction(
    data_dir: Path, redactor: Redactor | None = None, *, most_rows: int | None = None
) -> Report:
    """The redactor on dev texts with planted identities, on our own talk, and on ordinary talk.

    `tokens` are those of the public texts, with F2: a token counts as taken when any of its
    characters was. `by_type` counts what is left in on purpose too. Of our own texts an item or a
    name counts when all its letters and digits were taken; sentence shapes and names are those
    that training never saw. `survival` is of sentences in which nobody is named. `most_rows` cuts
    each set to its first rows, for a quick look; without a redactor it is the one that is served.
    """
    taker = _Taker(redactor or Redactor.load(), most_rows)
    return {
        "suite": "redaction",
        **_public(taker, read_rows(data_dir / "ner/presidio_synth.dev.jsonl.gz")),
        "structured": _structured(taker),
        "names": _names(taker),
        "names abroad": _abroad(taker),
        "survival": _survival(taker),
        "times_ms": {
            "p50": quantile(sorted(taker.times), 0.5),
            "p95": quantile(sorted(taker.times), 0.95),
        },
    }


@dataclass(frozen=True)
class _Taker:
    redactor: Redactor
    most_rows: int | None
    times: list[float] = field(default_factory=list)

    def some(self, rows: Iterable[Each]) -> Iterator[Each]:
        """The first rows of a set, or all."""
        return islice(rows, self.most_rows)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """What is taken of a text, in order."""
        started = time.perf_counter()
        entities = self.redactor.redact(text, key=_KEY).entities
        self.times.append(1000 * (time.perf_counter() - started))
        return [(one.start, one.end) for one in entities]


def _public(taker: _Taker, rows: Iterable[Row]) -> Report:
    hits = misses = alarms = 0
    by_type: dict[str, list[bool]] = defaultdict(list)
    for row in taker.some(rows):
        spans = taker.spans(row["text"])
        for start, end, type_ in _tokens(row):
            taken = any(a < end and start < b for a, b in spans)
            if type_ and type_ not in _LEFT_IN:
                hits, misses = hits + taken, misses + (not taken)
            elif type_ is None:
                alarms += taken
        for span in row["spans"]:
            covered = sum(max(0, min(b, span["end"]) - max(a, span["start"])) for a, b in spans)
            by_type[span["label"]].append(covered >= 0.9 * (span["end"] - span["start"]))
    precision, recall = hits / max(hits + alarms, 1), hits / max(hits + misses, 1)
    f2 = 5 * precision * recall / max(4 * precision + recall, 1e-9)
    return {
        "tokens": {
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "f2": round(f2, 4),
        },
        "by_type": _shares(by_type),
    }


def _tokens(row: Row) -> Iterator[tuple[int, int, str | None]]:
    """Each token's characters and its type, None outside entities."""
    at = 0
    for token, tag in zip(row["tokens"], row["tags"], strict=True):
        start = row["text"].find(token, at)
        if start >= 0:
            at = start + len(token)
            yield start, at, tag[2:] if tag != "O" else None


def _structured(taker: _Taker) -> Report:
    taken: dict[str, list[bool]] = defaultdict(list)
    by_form: dict[str, list[bool]] = defaultdict(list)
    for one in taker.some(items(random.Random(_SEED), _EACH)):
        start = one.text.index(one.item)
        whole = _whole(one.text, start, start + len(one.item), taker.spans(one.text))
        taken["plain" if one.form == "plain" else "obfuscated"].append(whole)
        by_form[f"{one.kind}, {one.form}"].append(whole)
    return {**_shares(taken), "by_form": _shares(by_form)}


def _names(taker: _Taker) -> Report:
    taken: dict[str, list[bool]] = defaultdict(list)
    for one in taker.some(made("dev", random.Random(_SEED))):
        for how, text in (("cased", one.text), ("lower case", one.text.lower())):
            for words, whole in _planted_names(taker, one, text):
                taken[how].append(whole)
                if " " in words:
                    taken[f"{how}, with a surname"].append(whole)
    return _shares(taken)


def _abroad(taker: _Taker) -> Report:
    taken: dict[str, list[bool]] = defaultdict(list)
    left: dict[str, list[bool]] = defaultdict(list)
    for one in taker.some(abroad("dev", random.Random(_SEED))):
        where = "in English talk" if one.source == "foreign names" else "at home"
        for _, whole in _planted_names(taker, one, one.text):
            taken[where].append(whole)
            taken[f"{where}, {one.language}"].append(whole)
        if one.source != "foreign names":
            kept = _ordinary_left(one, taker.spans(one.text))
            left["ordinary words left"] += kept
            left[f"ordinary words left, {one.language}"] += kept
    return _shares(taken) | _shares(left)


def _planted_names(taker: _Taker, one: Made, text: str) -> Iterator[tuple[str, bool]]:
    names = [planted for planted in one.planted if planted.kind == "NAME"]
    spans = taker.spans(text) if names else []
    for name in names:
        yield text[name.start : name.end], _whole(text, name.start, name.end, spans)


def _survival(taker: _Taker) -> Report:
    examples = [one for split in ("train", "dev") for one in own(split) if one.kind in _NAMELESS]
    examples += [one for split in ("train", "dev") for one in ordinary(split)]
    sentences: list[bool] = []
    words: list[bool] = []
    for text in taker.some(dict.fromkeys(one.text for one in examples)):
        kept = _ordinary_left(Made(text, (), "ordinary"), taker.spans(text))
        sentences.append(all(kept))
        words += kept
    return _shares({"sentences untouched": sentences, "words left": words})


def _ordinary_left(one: Made, spans: Sequence[tuple[int, int]]) -> list[bool]:
    return [
        not any(a < end and start < b for a, b in spans)
        for word, start, end in split_words(one.text)
        if word[0].isalnum()
        and not any(planted.start < end and start < planted.end for planted in one.planted)
    ]


def _whole(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether each letter and digit of a stretch was taken."""
    places = [at for at in range(start, end) if text[at].isalnum()]
    return all(any(a <= at < b for a, b in spans) for at in places)


def _shares(found: Mapping[str, Sequence[bool]]) -> Report:
    return {name: share(sum(one), len(one)) for name, one in sorted(found.items())}

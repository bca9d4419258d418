"""How long the redactor and the output gate take, each alone on one thread."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from safety.figures import quantile
from safety.gate import Screen
from safety.hostile import PASSAGES, PROTECTED
from safety.redaction import Redactor
from safety.redaction.engine import FINDERS
from safety.training.talk import made

Row = dict[str, Any]

_KEY = bytes(32)
_WORDS, _CHARACTERS = 40, 4000
_TEXTS, _LONG_SHARE, _ROUNDS = 200, 20, 5
_DRAFT = (
    "It sounds like mornings go better for you,",
    " so what would a first small step look like on one of them,",
    " and who could help you to begin?",
)


def speeds(texts_each: int = _TEXTS) -> list[Row]:
    """Milliseconds of each part: of 40 words, of the longest utterance, of a clause."""
    patterns, whole = Redactor.load(FINDERS), Redactor.load()
    texts = list(islice(_talk(_WORDS), texts_each))
    few = max(texts_each // _LONG_SHARE, 1)
    long = [text[:_CHARACTERS] for text in islice(_talk(_CHARACTERS // 4), few)]
    screen = Screen(PASSAGES, PROTECTED)
    drafts = ["".join(_DRAFT[:end]) for end in range(1, len(_DRAFT) + 1)] * texts_each
    return [
        _row("40 words, patterns alone", texts, lambda text: _redact(patterns, text)),
        _row("40 words, whole", texts, lambda text: _redact(whole, text)),
        _row("4,000 characters, patterns alone", long, lambda text: _redact(patterns, text)),
        _row("4,000 characters, whole", long, lambda text: _redact(whole, text)),
        _row("output gate, a clause", drafts, screen.fault),
        _row("output gate, made ready", drafts[:texts_each], lambda _: Screen(PASSAGES, PROTECTED)),
    ]


def _redact(redactor: Redactor, text: str) -> object:
    return redactor.redact(text, key=_KEY)


def _talk(words: int) -> Iterator[str]:
    """Stretches of our own talk, so many words each, names and places among them."""
    said: list[str] = []
    rng = random.Random("speed")
    while True:
        for one in made("dev", rng):
            said += one.text.split()
            if len(said) >= words:
                yield " ".join(said[:words])
                said = []


def _row(what: str, texts: Sequence[str], work: Callable[[str], object]) -> Row:
    work(texts[0])
    times: list[float] = []
    for text in [*texts] * _ROUNDS:
        started = time.perf_counter()
        work(text)
        times.append(1000 * (time.perf_counter() - started))
    times.sort()
    return {
        "what": what,
        "n": len(times),
        "p50": quantile(times, 0.5),
        "p95": quantile(times, 0.95),
    }

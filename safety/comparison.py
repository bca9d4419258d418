"""Presidio as shipped beside our redactor: what each takes of the same sentences, and how long.

As shipped means its own English recognisers without a spaCy model, which would be downloaded.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safety.jsonlines import read
from safety.redaction import Redactor
from safety.redaction.engine import FINDERS

Row = dict[str, Any]
Spans = list[tuple[int, int]]
CASES = Path(__file__).parent / "redteam" / "redaction.jsonl"
_KEY = bytes(32)
_ROUNDS = 3


def compare() -> list[Row]:
    """A row for each engine: n sentences, shares of words taken and left, p50 and p95 in ms."""
    cases = [case for case in read(CASES, {"text": str, "gone": list}) if not case.get("names")]
    engines: Mapping[str, Callable[[str], Spans]] = {
        "Presidio as shipped, no spaCy model": _shipped(),
        "ours, patterns alone": _ours(Redactor.load(FINDERS)),
        "ours, whole": _ours(Redactor.load()),
    }
    return [{"what": name, **_measured(find, cases)} for name, find in engines.items()]


def _measured(find: Callable[[str], Spans], cases: Sequence[Mapping[str, Any]]) -> Row:
    times: list[float] = []
    taken = wanted = kept = harmless = 0
    for case in cases:
        text = case["text"]
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            spans = find(text)
            times.append(1000 * (time.perf_counter() - started))
        for words in case["gone"]:
            wanted += 1
            taken += _touched(text, words, spans)
        if not case["gone"]:
            harmless += 1
            kept += not spans
    times.sort()
    return {
        "sentences": len(cases),
        "taken": f"{taken} of {wanted}",
        "left alone": f"{kept} of {harmless}",
        "p50": round(times[len(times) // 2], 2),
        "p95": round(times[int(0.95 * len(times))], 2),
    }


def _touched(text: str, words: str, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether each letter and digit of the words lies in a span."""
    start = text.find(words)
    places = [at for at in range(start, start + len(words)) if text[at].isalnum()]
    return all(any(a <= at < b for a, b in spans) for at in places)


def _ours(redactor: Redactor) -> Callable[[str], Spans]:
    return lambda text: [(one.start, one.end) for one in redactor.redact(text, key=_KEY).entities]


def _shipped() -> Callable[[str], Spans]:
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

    from safety.redaction.presidio import LANGUAGE, NoModel

    # Its mail recogniser would fetch the list of public suffixes on first use.
    offline = tldextract.TLDExtract(suffix_list_urls=())
    tldextract.extract = offline  # type: ignore[assignment]
    registry = RecognizerRegistry(supported_languages=[LANGUAGE])
    registry.load_predefined_recognizers(languages=[LANGUAGE])
    engine = AnalyzerEngine(registry=registry, nlp_engine=NoModel(), supported_languages=[LANGUAGE])
    return lambda text: [(one.start, one.end) for one in engine.analyze(text, LANGUAGE)]

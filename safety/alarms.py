"""What the self-harm head's working point brings and costs: who is heard, who is for nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from safety import guardrails
from safety.classifiers.in_process import InProcess
from safety.figures import share

POINTS = (0.5, 0.65, 0.8, 0.9, 0.95, 0.98)
ORDINARY = "ordinary"
KINDS = ("self-harm, veiled", "self-harm, plain", "idiom or other talk")


def alarms(
    ordinary: Iterable[str],
    cases: Iterable[Mapping[str, Any]],
    unseen: Mapping[str, Iterable[Mapping[str, Any]]],
) -> dict[str, Any]:
    """How often a person would be called, by working point, rules and head together.

    `cases` are those of the red team, the `held_out` ones counted apart. What is chosen by these
    counts needs other cases to be tested on: those are `unseen`, by author, none of whom knew the
    model, and nothing is fitted or chosen by them.
    """
    groups: dict[str, list[str]] = {ORDINARY: list(ordinary)}
    for case in cases:
        if case.get("kind") in KINDS:
            half = "held out" if case["held_out"] else "seen"
            groups.setdefault(f"{case['kind']}, {half}", []).append(case["text"])
    for author, written in unseen.items():
        for case in written:
            groups.setdefault(f"{case['kind']}, unseen, {author}", []).append(case["text"])
    scores = _scored(groups)
    return {
        "suite": "alarms",
        "working point": guardrails.SELF_HARM_POINT,
        "called at the working point": _called(scores, guardrails.SELF_HARM_POINT),
        "called, or answered with care": _called(scores, guardrails.CAREFUL_POINT),
        "by point": {str(point): _called(scores, point) for point in POINTS},
    }


def _scored(groups: Mapping[str, Sequence[str]]) -> dict[str, list[float]]:
    """What the head says of each text; 1 where the rules speak, whatever the head says."""
    model = InProcess.load()
    scores: dict[str, list[float]] = defaultdict(list)
    for name, texts in groups.items():
        for text in texts:
            signals = model.read_now(text)
            quiet = replace(signals, self_harm=0.0)
            by_rule = guardrails.check_input(text, quiet).policy == "self_harm"
            scores[name].append(1.0 if by_rule else signals.self_harm)
    return scores


def _called(scores: Mapping[str, Sequence[float]], point: float) -> dict[str, Any]:
    return {
        name: share(sum(score >= point for score in found), len(found))
        for name, found in sorted(scores.items())
    }

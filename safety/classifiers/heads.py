"""The heads that read an utterance, and where each one's scores lie in the model's output."""

from dataclasses import dataclass
from typing import Literal

EMOTIONS = (
    "admiration",
    "amusement",
    "anger",
    "annoyance",
    "approval",
    "caring",
    "confusion",
    "curiosity",
    "desire",
    "disappointment",
    "disapproval",
    "disgust",
    "embarrassment",
    "excitement",
    "fear",
    "gratitude",
    "grief",
    "joy",
    "love",
    "nervousness",
    "optimism",
    "pride",
    "realization",
    "relief",
    "remorse",
    "sadness",
    "surprise",
    "neutral",
)

# Groups as Demszky et al. (ACL 2020) publish them with the data.
EKMAN = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        "admiration",
        "amusement",
        "approval",
        "caring",
        "desire",
        "excitement",
        "gratitude",
        "joy",
        "love",
        "optimism",
        "pride",
        "relief",
    ),
    "sadness": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
    "surprise": ("confusion", "curiosity", "realization", "surprise"),
    "neutral": ("neutral",),
}
SENTIMENT = {
    "positive": EKMAN["joy"],
    "negative": EKMAN["anger"] + EKMAN["disgust"] + EKMAN["fear"] + EKMAN["sadness"],
    "ambiguous": EKMAN["surprise"],
    "neutral": ("neutral",),
}


@dataclass(frozen=True)
class Head:
    """One question put to the encoder: `choice` picks one label, `several` scores each alone."""

    name: str
    labels: tuple[str, ...]
    kind: Literal["choice", "several"]


HEADS = (
    Head("therapist", ("question", "reflection", "therapist_input", "other"), "choice"),
    Head("client", ("change", "neutral", "sustain"), "choice"),
    Head("basic", ("S", "Q", "B", "D", "F"), "choice"),
    Head("form", ("open", "closed"), "choice"),
    Head("commitment", ("commitment",), "several"),
    Head("emotion", EMOTIONS, "several"),
    Head("davidson", ("hate", "offensive", "neither"), "choice"),
    Head("convabuse", ("abusive",), "several"),
    Head("civil", ("toxic",), "several"),
    Head("toxicity", ("toxicity",), "several"),
    Head("self_harm", ("self_harm",), "several"),
    Head("injection", ("injection",), "several"),
)
BY_NAME = {head.name: head for head in HEADS}
WIDTH = sum(len(head.labels) for head in HEADS)


def columns() -> dict[str, slice]:
    """Each head's columns in the model's output, in the order of `HEADS`."""
    found: dict[str, slice] = {}
    start = 0
    for head in HEADS:
        found[head.name] = slice(start, start + len(head.labels))
        start += len(head.labels)
    return found


COLUMNS = columns()

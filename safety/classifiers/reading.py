"""From the model's raw scores to signals, as `signals.json` beside the weights says."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from safety.classifiers.heads import COLUMNS, EKMAN, HEADS, SENTIMENT, WIDTH
from safety.errors import SignalsBroken

Scores = npt.NDArray[np.float32]

ACTS = (
    "open_question",
    "closed_question",
    "reflection",
    "information",
    "statement",
    "backchannel",
    "floor",
    "commitment",
    "disruption",
    "change_talk",
    "neutral_talk",
    "sustain_talk",
)
DANGERS = ("toxicity", "self_harm", "injection")
_GUIDES = frozenset({"facilitator", "therapist", "coach"})
_TALKERS = frozenset({"client"})
_BASIC = {"S": "statement", "B": "backchannel", "F": "floor", "D": "disruption"}
_TALK = {"change": "change_talk", "neutral": "neutral_talk", "sustain": "sustain_talk"}
_LEAST = 0.5


@dataclass(frozen=True)
class Signals:
    """What one reading says of an utterance; every score is in [0, 1], 0.5 the working point.

    `acts` comes from several heads and does not add up to one. `act` is the best fit for the role.
    """

    act: str
    acts: Mapping[str, float]
    emotions: Mapping[str, float]
    toxicity: float
    self_harm: float
    injection: float
    version: str

    def ekman(self) -> dict[str, float]:
        """The six basic emotions and neutral: each the highest of its labels."""
        return {
            name: max(self.emotions[label] for label in labels) for name, labels in EKMAN.items()
        }

    def sentiment(self) -> dict[str, float]:
        """Positive, negative, ambiguous, neutral: each the highest of its labels."""
        return {
            name: max(self.emotions[label] for label in labels)
            for name, labels in SENTIMENT.items()
        }


@dataclass(frozen=True)
class Card:
    """A model's description: what it is called, and how its scores are read."""

    version: str
    digests: Mapping[str, str]
    scales: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.float64]

    @property
    def digest(self) -> str:
        """The digest of the ONNX file."""
        return self.digests["signals.onnx"]


def load_card(folder: Path) -> Card:
    """Read and check `signals.json`; raises SignalsBroken when heads or labels are not ours."""
    try:
        described: dict[str, Any] = json.loads((folder / "signals.json").read_text("utf-8"))
        heads = described["heads"]
        ours = [(head.name, list(head.labels), head.kind) for head in HEADS]
        if [(head["name"], head["labels"], head["kind"]) for head in heads] != ours:
            raise SignalsBroken("the model's heads or labels are not the ones this code reads")
        scales, offsets = np.ones(WIDTH), np.zeros(WIDTH)
        for head in heads:
            scales[COLUMNS[head["name"]]] = 1.0 / head["temperature"]
            offsets[COLUMNS[head["name"]]] = head["offsets"]
        return Card(described["version"], described["sha256"], scales, offsets)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise SignalsBroken(f"no readable model description in {folder.name}") from exc


def check_digest(folder: Path, name: str, card: Card) -> Path:
    """The path of a model file, after its digest; raises SignalsBroken when it differs."""
    path = folder / name
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise SignalsBroken(f"{name} is missing") from exc
    if found != card.digests.get(name):
        raise SignalsBroken(f"{name} is not the file that was measured")
    return path


def read(scores: Scores, card: Card, role: str | None) -> Signals:
    """Signals from the raw scores of a text's windows, shape (windows, WIDTH).

    Dangers take their highest window, all else the mean. Raises SignalsBroken for a wrong shape or
    a score that is no number.
    """
    if scores.ndim != 2 or scores.shape[0] == 0 or scores.shape[1] != WIDTH:
        raise SignalsBroken("the model's output has another shape")
    if not np.isfinite(scores).all():
        raise SignalsBroken("the model's output is not finite")
    scaled = scores.astype(np.float64) * card.scales + card.offsets
    chances: dict[str, npt.NDArray[np.float64]] = {}
    for head in HEADS:
        of_head = scaled[:, COLUMNS[head.name]]
        shares = _softmax(of_head) if head.kind == "choice" else _sigmoid(of_head)
        chances[head.name] = shares.max(0) if head.name in DANGERS else shares.mean(0)
    by_label = {
        head.name: dict(zip(head.labels, map(float, chances[head.name]), strict=True))
        for head in HEADS
    }
    guide = role in _GUIDES
    return Signals(
        act=_act(by_label, role),
        acts=_acts(by_label, guide=guide),
        emotions=by_label["emotion"],
        toxicity=by_label["toxicity"]["toxicity"],
        self_harm=by_label["self_harm"]["self_harm"],
        injection=by_label["injection"]["injection"],
        version=card.version,
    )


def _acts(by_label: Mapping[str, Mapping[str, float]], *, guide: bool) -> dict[str, float]:
    basic, therapist, form = by_label["basic"], by_label["therapist"], by_label["form"]
    question = therapist["question"] if guide else basic["Q"]
    return {
        "open_question": question * form["open"],
        "closed_question": question * form["closed"],
        "reflection": therapist["reflection"],
        "information": therapist["therapist_input"],
        "statement": basic["S"],
        "backchannel": basic["B"],
        "floor": basic["F"],
        "commitment": by_label["commitment"]["commitment"],
        "disruption": basic["D"],
        "change_talk": by_label["client"]["change"],
        "neutral_talk": by_label["client"]["neutral"],
        "sustain_talk": by_label["client"]["sustain"],
    }


def _act(by_label: Mapping[str, Mapping[str, float]], role: str | None) -> str:
    """The act by role: a facilitator guides, a client talks of change, others converse."""
    basic, therapist = by_label["basic"], by_label["therapist"]
    form = "open_question" if _best(by_label["form"]) == "open" else "closed_question"
    if role in _GUIDES:
        guiding = _best(therapist)
        if guiding == "other":
            return _BASIC[_best({label: basic[label] for label in _BASIC})]
        return {"question": form, "therapist_input": "information"}.get(guiding, guiding)
    if role in _TALKERS:
        return _TALK[_best(by_label["client"])]
    kind = _best(basic)
    if kind == "Q":
        return form
    if kind != "S":
        return _BASIC[kind]
    if by_label["commitment"]["commitment"] >= _LEAST:
        return "commitment"
    return _TALK[_best(by_label["client"])] if role == "participant" else "statement"


def _best(shares: Mapping[str, float]) -> str:
    return max(shares, key=shares.__getitem__)


def _softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    shares: npt.NDArray[np.float64] = raised / raised.sum(1, keepdims=True)
    return shares


def _sigmoid(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(scores, -60.0, 60.0)))
    return shares

"""Dev figures of the signals model, by set, as its benchmarks count them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, f1_score

from safety.classifiers.heads import COLUMNS, EKMAN, EMOTIONS, HEADS, SENTIMENT
from safety.training.calibrate import Calibration
from safety.training.corpus import Example

Scores = npt.NDArray[np.float32]


def decide(
    scores: Scores, calibrations: Mapping[str, Calibration]
) -> dict[str, npt.NDArray[np.int_]]:
    """Each head's answers: a label index per row for a choice, else 0/1 of (rows, labels)."""
    answers: dict[str, npt.NDArray[np.int_]] = {}
    for head in HEADS:
        read = calibrations[head.name]
        scaled = scores[:, COLUMNS[head.name]] / read.temperature + np.array(read.offsets)
        answers[head.name] = (
            scaled.argmax(1) if head.kind == "choice" else (scaled >= 0).astype(int)
        )
    return answers


def figures(
    examples: Sequence[Example], answers: Mapping[str, npt.NDArray[np.int_]]
) -> dict[str, float]:
    """Macro-F1 per set and head (accuracy for the five basic acts), by a readable name."""
    found: dict[str, float] = {}
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        for head, target in example.targets.items():
            if target.weight == 1.0:
                rows[example.source, head].append(row)
    for (source, head), chosen in sorted(rows.items()):
        wanted = np.array([examples[row].targets[head].value for row in chosen]).astype(int)
        answered = answers[head][chosen]
        name = f"{source} {head}"
        if head == "emotion":
            found |= _emotion(name, wanted, answered)
            continue
        wanted, answered = wanted[:, 0], answered.reshape(len(chosen), -1)[:, 0]
        found[f"{name} macro-F1"] = float(f1_score(wanted, answered, average="macro"))
        if head == "basic":
            found[f"{name} accuracy"] = float(accuracy_score(wanted, answered))
    return found


def by_kind(
    examples: Sequence[Example], answers: Mapping[str, npt.NDArray[np.int_]], head: str
) -> dict[str, tuple[int, int]]:
    """For one danger: {kind: (right, of)} over our own and the sets' sub-kinds."""
    found: dict[str, list[bool]] = defaultdict(list)
    for row, example in enumerate(examples):
        target = example.targets.get(head)
        if target is not None and target.weight == 1.0 and example.kind:
            wanted = bool(target.value[0])
            kind = f"{example.source}/{example.kind.split(':')[0]}/{'yes' if wanted else 'no'}"
            found[kind].append(bool(answers[head][row][0]) == wanted)
    return {kind: (sum(right), len(right)) for kind, right in sorted(found.items())}


def _emotion(
    name: str, wanted: npt.NDArray[np.int_], answered: npt.NDArray[np.int_]
) -> dict[str, float]:
    found = {f"{name} 28 macro-F1": float(f1_score(wanted, answered, average="macro"))}
    for group, parts in (("Ekman", EKMAN), ("sentiment", SENTIMENT)):
        columns = [[EMOTIONS.index(label) for label in labels] for labels in parts.values()]
        both = [
            np.stack([rows[:, labels].max(1) for labels in columns], axis=1)
            for rows in (wanted, answered)
        ]
        found[f"{name} {group} macro-F1"] = float(
            f1_score(both[0], both[1], average="macro", zero_division=0)
        )
    return found

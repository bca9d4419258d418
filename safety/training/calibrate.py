"""From raw scores to answers: a temperature per head and an offset per label, from dev alone.

A choice is the argmax of `scores / temperature + offsets`; a label that stands alone holds where
`sigmoid(score / temperature + offset)` reaches 0.5, so that 0.5 is every label's working point.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from sklearn.metrics import f1_score

from safety.classifiers.heads import COLUMNS, EKMAN, EMOTIONS, HEADS, SENTIMENT, Head
from safety.training.corpus import Example

Floats = npt.NDArray[np.float64]
LARGEST_OFFSET = 4.0
# Meetings and interviews hold no attacks: a threshold there would interrupt people for nothing.
QUIET_DANGERS, TALK, QUIET_SHARE = ("injection",), frozenset({"annomi", "mrda"}), 0.0003
# Their benchmarks count right answers, where the likeliest label is the best answer.
BY_ACCURACY = frozenset({"basic"})


@dataclass(frozen=True)
class Calibration:
    """How one head's raw scores are read."""

    temperature: float
    offsets: tuple[float, ...]


@dataclass(frozen=True)
class Labelled:
    """One head's raw dev scores (rows, labels), and its targets in the same shape of `Target`."""

    scores: Floats
    targets: Floats
    sources: tuple[str, ...]


def labelled(head: Head, scores: npt.NDArray[np.float32], examples: Sequence[Example]) -> Labelled:
    """The rows that were labelled for a head outright; implied negatives are left out."""
    rows = [
        row
        for row, example in enumerate(examples)
        if head.name in example.targets and example.targets[head.name].weight == 1.0
    ]
    targets = np.array([examples[row].targets[head.name].value for row in rows])
    sources = tuple(examples[row].source for row in rows)
    return Labelled(scores[rows][:, COLUMNS[head.name]].astype(np.float64), targets, sources)


def calibrate(head: Head, dev: Labelled) -> Calibration:
    """The temperature of least log loss, then the offsets of best macro-F1."""
    if head.kind == "choice":
        temperature = _least(lambda t: _choice_loss(dev.scores / t, dev.targets[:, 0].astype(int)))
        scaled, wanted = dev.scores / temperature, dev.targets[:, 0]
        offsets = _choice_offsets(scaled, wanted) if head.name not in BY_ACCURACY else ()
        return Calibration(temperature, offsets or (0.0,) * len(head.labels))
    temperature = _least(lambda t: _several_loss(dev.scores / t, dev.targets))
    scaled = dev.scores / temperature
    offsets = tuple(
        _threshold_offset(
            scaled[:, label], dev.targets[:, label], dev.sources, alone=len(head.labels) == 1
        )
        for label in range(len(head.labels))
    )
    if head.name == "emotion":
        offsets = _with_groups(scaled, dev.targets, offsets)
    return Calibration(temperature, offsets)


def calibrate_all(
    scores: npt.NDArray[np.float32], examples: Sequence[Example]
) -> Mapping[str, Calibration]:
    """Every head's calibration, by head name."""
    found = {head.name: calibrate(head, labelled(head, scores, examples)) for head in HEADS}
    for danger in QUIET_DANGERS:
        ordinary = [row for row, one in enumerate(examples) if one.source in TALK]
        found[danger] = _quiet(found[danger], scores[ordinary][:, COLUMNS[danger]])
    return found


def _quiet(read: Calibration, ordinary: npt.NDArray[np.float32]) -> Calibration:
    """The calibration with a threshold that ordinary talk hardly ever passes."""
    if len(ordinary) < 1 / QUIET_SHARE:
        return read
    loudest = float(np.quantile(ordinary / read.temperature, 1 - QUIET_SHARE))
    return Calibration(read.temperature, (min(read.offsets[0], -loudest),))


def _least(loss: Callable[[float], float]) -> float:
    found = minimize_scalar(loss, bounds=(0.3, 5.0), method="bounded")
    return float(found.x)


def _choice_loss(scores: Floats, targets: npt.NDArray[np.int_]) -> float:
    shifted = scores - scores.max(1, keepdims=True)
    log_total = np.log(np.exp(shifted).sum(1))
    return float((log_total - shifted[np.arange(len(targets)), targets]).mean())


def _several_loss(scores: Floats, targets: Floats) -> float:
    return float((np.logaddexp(0.0, scores) - targets * scores).mean())


def _choice_offsets(scores: Floats, targets: Floats) -> tuple[float, ...]:
    """Coordinate ascent on macro-F1, two coarse rounds, so that dev is not learnt by heart."""
    offsets = np.zeros(scores.shape[1])
    for _ in range(2):
        for label in range(scores.shape[1]):
            tried = []
            for offset in np.arange(-1.0, 1.01, 0.1):
                offsets[label] = offset
                f1 = f1_score(targets, (scores + offsets).argmax(1), average="macro")
                tried.append((f1 - 1e-3 * abs(offset), offset))
            offsets[label] = max(tried)[1]
    return tuple(float(offset) for offset in offsets)


def _with_groups(scores: Floats, targets: Floats, offsets: tuple[float, ...]) -> tuple[float, ...]:
    """Offsets moved a little so that the groups, which hold where any label does, score too.

    Coordinate ascent on the sum of three macro-F1: labels, Ekman's groups, sentiment.
    """
    groupings = [
        [[EMOTIONS.index(label) for label in labels] for labels in parts.values()]
        for parts in (EKMAN, SENTIMENT)
    ]
    found = np.array(offsets)

    def worth(label: int, offset: float) -> float:
        held = scores + found >= 0
        held[:, label] = scores[:, label] + offset >= 0
        value = _f1(targets[:, label], held[:, label]) / len(found)
        for groups in groupings:
            mine = next(group for group in groups if label in group)
            value += _f1(targets[:, mine].max(1), held[:, mine].any(1)) / len(groups)
        return value - 1e-4 * abs(offset - offsets[label])

    for _ in range(2):
        for label in range(len(found)):
            tries = found[label] + np.arange(-1.0, 1.01, 0.1)
            found[label] = max((worth(label, offset), offset) for offset in tries)[1]
    return tuple(float(offset) for offset in found)


def _threshold_offset(
    scores: Floats, targets: Floats, sources: Sequence[str], *, alone: bool
) -> float:
    """The offset with the best F1 of a label among others, or macro-F1 of a head of one label.

    Each set weighs the same, however many rows it has.
    """
    sets = {name: np.array([source == name for source in sources]) for name in sorted(set(sources))}
    cuts = np.unique(np.quantile(scores, np.linspace(0.001, 0.999, 400)))

    def worth(cut: float) -> float:
        found = scores >= cut
        if not alone:
            return _f1(targets, found)
        each = [
            f1_score(targets[rows], found[rows], average="macro", zero_division=0)
            for rows in sets.values()
        ]
        return float(np.mean(each))

    worths = np.array([worth(cut) for cut in cuts])
    # The middle of a small plateau is steadier than its highest single point.
    smooth = np.convolve(worths, np.ones(5) / 5, mode="same")
    cut = float(cuts[int(smooth[2:-2].argmax()) + 2])
    return float(np.clip(-cut, -LARGEST_OFFSET, LARGEST_OFFSET))


def _f1(targets: Floats, found: npt.NDArray[np.bool_]) -> float:
    hits = float((targets * found).sum())
    return 2 * hits / max(float(targets.sum() + found.sum()), 1.0)

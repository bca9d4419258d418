import numpy as np
import pytest

from rag.fusion import BOOSTS, Signals, boosts, varied

SAME = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)


def test_without_diversity_the_order_is_that_of_the_scores():
    assert varied([0.9, 0.8, 0.1], SAME, limit=3, diversity=0.0) == [0, 1, 2]


def test_a_twin_comes_after_something_else():
    assert varied([0.9, 0.8, 0.5], SAME, limit=3, diversity=0.5) == [0, 2, 1]


def test_ties_go_to_the_earlier():
    assert varied([0.5, 0.5, 0.5], np.eye(3, dtype=np.float32), limit=2, diversity=0.3) == [0, 1]


def test_nothing_varies_to_nothing():
    assert varied([], np.empty((0, 2), dtype=np.float32), limit=3, diversity=0.5) == []


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        (Signals(), {}),
        (Signals(act="question"), {"act": BOOSTS["act"]}),
        (Signals(act="statement"), {}),
        (Signals(act="question", deck="goals"), {"act": BOOSTS["act"], "deck": BOOSTS["deck"]}),
    ],
    ids=["no signal", "one", "another value", "two"],
)
def test_only_matching_signals_boost(signals, expected):
    assert boosts(signals, {"act": ["question"], "deck": ["goals", "grow"]}) == expected

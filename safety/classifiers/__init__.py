"""Signals: dialogue act, emotion, toxicity, self-harm and injection, read in one pass."""

from safety.classifiers.in_process import InProcess
from safety.classifiers.protocol import Classifiers
from safety.classifiers.reading import ACTS, Signals
from safety.classifiers.triton import Triton, WithStandIn, behind_triton

__all__ = ["ACTS", "Classifiers", "InProcess", "Signals", "Triton", "WithStandIn", "behind_triton"]

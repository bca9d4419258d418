"""What a recogniser reports: a typed stretch of the text it was given."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Found:
    """Characters `[start, end)` of the text hold personal data of a type; score in [0, 1]."""

    start: int
    end: int
    type: str
    score: float


Finder = Callable[[str], Iterator[Found]]

"""Time as a parameter: one moment by which a road must end, and how its time was spent."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from coach.ops import tracing


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock; wall clocks may jump."""

    at: float
    patience: float = 1.0

    @classmethod
    def after_ms(cls, milliseconds: float, *, patience: float = 1.0) -> Self:
        return cls(time.monotonic() + milliseconds / 1000, patience)

    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    def at_most_s(self, seconds: float) -> float:
        """Seconds for one stage: its usual limit, by how patient this road is, or what is left."""
        return min(seconds * self.patience, self.remaining_s())

    def sooner_of_ms(self, milliseconds: float) -> "Deadline":
        """This deadline, or the one so many milliseconds from now if that is sooner."""
        return Deadline(min(self.at, time.monotonic() + milliseconds / 1000), self.patience)


@dataclass
class Stopwatch:
    """Consecutive stages of one road; their times add up to the total, and each is a span."""

    started: float = field(default_factory=time.perf_counter)
    stages: list[tuple[str, float]] = field(default_factory=list)
    span: tracing.Span = field(default_factory=lambda: tracing.begin("utterance"))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            with self.span.part(name):
                yield
        finally:
            self.stages.append((name, (time.perf_counter() - begun) * 1000))

    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self.started) * 1000

    def as_rows(self) -> list[dict[str, float | str]]:
        """Stages of the same name joined, in order of first appearance."""
        joined: dict[str, float] = {}
        for name, spent in self.stages:
            joined[name] = joined.get(name, 0.0) + spent
        return [{"name": name, "ms": round(spent, 3)} for name, spent in joined.items()]

"""A switch that stops calling a route which keeps failing, and tries it again by itself."""

import time
from collections.abc import Callable
from enum import StrEnum

FAILURES_TO_OPEN = 5
SUCCESSES_TO_CLOSE = 3
OPEN_S = 2.0


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Closed; open after five failures in a row; half-open with one probe at a time after 2 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._successes = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        if self._opened_at is None:
            return State.CLOSED
        waited = self._clock() - self._opened_at >= OPEN_S
        return State.HALF_OPEN if waited or self._successes else State.OPEN

    def admit(self) -> bool:
        """Whether a call may be made now; a True must be followed by one of the three below."""
        if self.state is State.CLOSED:
            return True
        if self.state is State.OPEN or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        self._probing = False
        self._failures = 0
        if self._opened_at is not None:
            self._successes += 1
            if self._successes >= SUCCESSES_TO_CLOSE:
                self._opened_at, self._successes = None, 0

    def failed(self) -> None:
        self._probing = False
        self._failures += 1
        self._successes = 0
        if self._opened_at is not None or self._failures >= FAILURES_TO_OPEN:
            self._opened_at = self._clock()

    def abandoned(self) -> None:
        """The call was given up for reasons of ours, which says nothing about the route."""
        self._probing = False

"""What every engine that reads signals offers."""

from typing import Protocol

from safety.classifiers.reading import Signals


class Classifiers(Protocol):
    """One reading of one utterance, or a SignalsFailed by its deadline."""

    async def read_signals(
        self,
        text: str,
        *,
        previous: str | None = None,
        role: str | None = "participant",
        timeout_s: float,
    ) -> Signals:
        """The signals of a text said after `previous`; raises SignalsLate or SignalsBroken."""
        ...

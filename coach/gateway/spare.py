"""How many calls more than asked for may be made: retries and hedges live on what calls bring."""

from dataclasses import dataclass

RETRY_RATIO = 0.1
HEDGE_RATIO = 0.05
MOST_SAVED = 10.0


@dataclass
class Spare:
    """A tenth of a call saved with each call; an extra call costs a whole one.

    It begins empty, so that extra calls are at most that share of all calls at any moment.
    Source: retry budgets, Google SRE book, "Handling Overload".
    """

    ratio: float
    saved: float = 0.0

    def earn(self) -> None:
        self.saved = min(MOST_SAVED, self.saved + self.ratio)

    def take(self) -> bool:
        """Whether one more call may be made; a True has spent it."""
        # Ten tenths do not make a whole in binary.
        if self.saved < 1 - 1e-9:
            return False
        self.saved -= 1
        return True

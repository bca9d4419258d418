"""How many frames a person may send a worker: one allowance for all lines of theirs together."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

BURST, PER_S = 20.0, 10.0
# What nobody's client sends is dearer: reading and refusing it is all the work it makes.
NONSENSE = 4.0
PEOPLE_KEPT = 4096


@dataclass
class Allowance:
    """A bucket of `BURST` frames that refills at `PER_S` a second; at most as much may be owed."""

    at: float
    left: float = BURST

    def spend(self, frames: float, now: float) -> float:
        """Seconds until it is made up for; 0 while there is enough."""
        self.left = min(BURST, self.left + (now - self.at) * PER_S)
        self.at = now
        self.left = max(self.left - frames, -BURST)
        return max(0.0, -self.left / PER_S)


class Allowances:
    """Everybody's, by who they are; those who sent nothing for longest are forgotten first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._of: OrderedDict[str, Allowance] = OrderedDict()

    def spend(self, who: str, frames: float = 1.0) -> float:
        """Seconds to read nothing from this person's line."""
        now = self._clock()
        allowance = self._of.setdefault(who, Allowance(now))
        self._of.move_to_end(who)
        while len(self._of) > PEOPLE_KEPT:
            self._of.popitem(last=False)
        return allowance.spend(frames, now)

"""What a road begins with, and what may be told of it afterwards."""

from dataclasses import dataclass, field
from uuid import UUID

from coach.live.deadline import Stopwatch
from coach.live.log import Accepted
from coach.live.room import Room
from consent.vault import Disclosure
from rag.retrieval import Passage
from safety.classifiers import Signals


@dataclass(frozen=True)
class Heard:
    """One accepted utterance, redacted, and what its room looked like at that moment."""

    utterance: UUID
    member: UUID
    room: Room
    state: Accepted
    text: str = field(repr=False)


@dataclass
class Trace:
    """What a facilitator may know of a road: ids, scores and reasons, no words."""

    watch: Stopwatch
    act: str = ""
    signals: Signals | None = field(default=None, repr=False)
    disclosure: Disclosure | None = None
    passages: tuple[Passage, ...] = field(default=(), repr=False)
    route: str = ""
    tier: str = ""
    choice: tuple[str, ...] = ()
    confidence: float | None = None
    verdict: str = ""
    rule: str = ""
    streamed: bool = False
    careful: bool = False
    first_ms: float | None = None
    first_token_ms: float | None = None

    def own_ms(self) -> float:
        """Our own share of the time; while a draft was written we mostly waited for a model."""
        return sum(spent for name, spent in self.watch.stages if name != "draft")

"""What became of an utterance: exactly one of these, each the type of a terminal frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from rag.retrieval import Passage


@dataclass(frozen=True)
class Citation:
    """A passage that exists, in the version that was live, and the words of it that count."""

    passage: UUID
    title: str
    version: int
    quote: str

    def as_json(self) -> dict[str, Any]:
        return {
            "passage": str(self.passage),
            "title": self.title,
            "version": self.version,
            "quote": self.quote,
        }


@dataclass(frozen=True)
class Nudge:
    """Words from the playbook or resting on it; `reason` says why a passage stands in.

    With `retracts` it takes back clauses of a draft that had been shown before it went wrong.
    """

    text: str = field(repr=False)
    citations: tuple[Citation, ...]
    source: str
    reason: str = ""
    route: str = ""
    retracts: bool = False


@dataclass(frozen=True)
class Silence:
    """No nudge, for this reason."""

    reason: str


@dataclass(frozen=True)
class Blocked:
    """The words themselves were refused."""

    policy: str


@dataclass(frozen=True)
class Escalated:
    """A person is needed: a card for the speaker, an alert for the facilitator."""

    kind: str
    card: Mapping[str, Any]


@dataclass(frozen=True)
class Cancelled:
    reason: str


@dataclass(frozen=True)
class Failed:
    """Something of ours broke; `code` says what, without detail."""

    code: str


Outcome = Nudge | Silence | Blocked | Escalated | Cancelled | Failed


def stand_in(
    passages: Sequence[Passage],
    reason: str,
    *,
    recent: Sequence[UUID] = (),
    retracts: bool = False,
) -> Nudge | Silence:
    """The best passage that was not shown lately, as it stands in the playbook.

    Silence when there is no passage at all, or none but those: nothing is invented, or repeated.
    """
    if not passages:
        return Silence("no_passage")
    best = next((p for p in passages if p.id not in recent), None)
    if best is None:
        return Silence("repeated")
    citation = Citation(best.id, best.title, best.version, best.text)
    return Nudge(best.text, (citation,), source="playbook", reason=reason, retracts=retracts)

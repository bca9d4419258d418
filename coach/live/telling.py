"""What the facilitators are told of an utterance once it has ended: a disclosure of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from coach.database import DatabaseError
from coach.engines import Engines
from coach.live import doorbell
from coach.live.log import Outgoing
from coach.models import FACILITATORS
from consent.errors import ConsentError
from consent.registry import Purpose

log = structlog.get_logger(__name__)

WRITE_S = 0.5


@dataclass(frozen=True)
class Spoken:
    """An utterance and what became of it; `name` is the neutral one of its speaker's seat.

    `signals` are None where nobody read them, or where whoever did is gone.
    """

    utterance: UUID
    session: UUID
    member: UUID
    name: str
    text: str = field(repr=False)
    outcome: str
    reason: str
    signals: Mapping[str, Any] | None = None

    def frame(self, released: Mapping[str, str]) -> dict[str, Any]:
        """With words and name as far as they were released."""
        frame: dict[str, Any] = {
            "utterance": str(self.utterance),
            "speaker": {
                "member": str(self.member),
                "name": released.get("display_name") or self.name,
            },
            "text": released.get("utterance"),
            "outcome": self.outcome,
            "reason": self.reason,
        }
        if "utterance" in released and self.signals is not None:
            frame["signals"] = dict(self.signals)
        return frame


async def tell_facilitators(engines: Engines, spoken: Spoken) -> None:
    """Once, whoever tries; what cannot be written now is left to the watch of some worker."""
    try:
        view = await engines.vault.disclose(
            spoken.member,
            {"utterance": spoken.text},
            purpose=Purpose.FACILITATOR_VIEW,
            recipient="facilitator",
            stored=("display_name",),
            about=spoken.utterance,
            timeout_s=WRITE_S,
        )
        released = view.released
    except ConsentError:
        released = {}
    outgoing = Outgoing(FACILITATORS, "utterance", spoken.frame(released))
    try:
        logged = await engines.log.tell(
            spoken.session, spoken.utterance, outgoing, timeout_s=WRITE_S
        )
        await doorbell.ring(spoken.session, logged)
    except DatabaseError as exc:
        log.error("console.unwritten", error=type(exc).__name__)

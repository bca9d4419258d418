"""Nudges that answer no utterance: by a rule that goes by time, or from an engine outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from coach.live import doorbell
from coach.live.log import UNLIKE_LAST, Outgoing
from coach.models import EXPIRES_S, FACILITATORS
from coach.nudges.due import refused_by_room
from coach.nudges.outcome import Citation
from consent.errors import ConsentError
from consent.registry import Field, Purpose

if TYPE_CHECKING:
    from coach.live.hub import Hub
    from coach.live.room import Room

WRITE_S = 1.0

STANDING = f"""
SELECT s.mode, s.status, m.paused, coalesce(m.snoozed_until > now(), false), m.verbosity,
       s.cooldown_s,
       (SELECT extract(epoch FROM now() - max(n.created_at)) FROM coach_nudge n
        WHERE n.member_id = m.id AND n.state = 'shown'),
       ARRAY(SELECT p FROM (
                 SELECT passages FROM coach_nudge n WHERE n.member_id = m.id
                 ORDER BY n.created_at DESC LIMIT {UNLIKE_LAST}
             ) r, unnest(r.passages) p),
       ARRAY(SELECT n.text FROM coach_nudge n WHERE n.member_id = m.id
             ORDER BY n.created_at DESC LIMIT {UNLIKE_LAST})
FROM coach_member m JOIN coach_session s ON s.id = m.session_id
WHERE m.id = %(member)s AND s.id = %(session)s AND m.removed_at IS NULL
"""


@dataclass(frozen=True)
class Standing:
    """A member's place in a room now, and what they were shown last."""

    mode: str
    status: str
    member_paused: bool
    snoozed: bool
    verbosity: str
    cooldown_s: float
    since_nudge_s: float | None
    recent_passages: tuple[UUID, ...]
    recent_nudges: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Card:
    """What is to be shown: past the gate already, and whether it still waits for a person."""

    text: str = field(repr=False)
    citations: Sequence[Citation]
    source: str
    reason: str = ""
    held: bool = False
    trace: Mapping[str, Any] = field(default_factory=dict)


async def standing_of(hub: "Hub", session: UUID, member: UUID) -> Standing | None:
    """Raises DatabaseError; None for somebody who is not there."""
    rows = await hub.engines.database.fetch(
        STANDING, {"session": session, "member": member}, timeout_s=WRITE_S
    )
    if not rows:
        return None
    mode, status, paused, snoozed, verbosity, cooldown, since, passages, nudges = rows[0]
    return Standing(
        mode=mode,
        status=status,
        member_paused=paused,
        snoozed=snoozed,
        verbosity=verbosity,
        cooldown_s=float(cooldown),
        since_nudge_s=None if since is None else float(since),
        recent_passages=tuple(passages),
        recent_nudges=tuple(nudges),
    )


async def not_due(hub: "Hub", member: UUID, standing: Standing | None) -> str | None:
    """Why this member gets nothing now; None when they may. Raises DatabaseError."""
    if standing is None:
        return "not_found"
    if refused := refused_by_room(standing):
        return refused
    if hub.typists.busy(member):
        return "typing"
    try:
        allowed = await hub.engines.vault.allows(
            member, Field.UTTERANCE, purpose=Purpose.COACHING, timeout_s=WRITE_S
        )
    except ConsentError:
        return "consent_unavailable"
    return None if allowed else "no_consent"


async def give(hub: "Hub", room: "Room", member: UUID, card: Card) -> UUID:
    """Store the card and send it: to the member and the facilitators, or first to these alone.

    Raises DatabaseError.
    """
    nudge = uuid4()
    citations = [citation.as_json() for citation in card.citations]
    frame = {
        "nudge": str(nudge),
        "member": str(member),
        "utterance": None,
        "text": card.text,
        "citations": citations,
        "source": card.source,
        "reason": card.reason,
        "expires_s": EXPIRES_S,
    }
    seen = {**frame, "trace": dict(card.trace)}
    kind = "nudge.held" if card.held else "nudge.done"
    outgoing = [Outgoing(FACILITATORS, kind, seen)]
    if not card.held:
        outgoing.append(Outgoing(str(member), kind, frame))
    row = {
        "id": str(nudge),
        "member_id": str(member),
        "text": card.text,
        "citations": citations,
        "passages": [str(citation.passage) for citation in card.citations],
        "source": card.source,
        "reason": card.reason,
        "state": "held" if card.held else "shown",
        "trace": dict(card.trace),
    }
    logged = await hub.engines.log.give(room.session, row, outgoing, timeout_s=WRITE_S)
    await doorbell.ring(room.session, logged)
    return nudge

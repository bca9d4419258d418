"""The turns a report may rest on: redacted, and released by the people who said them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from coach.engines import Engines
from consent.errors import UnknownSubject
from consent.registry import Purpose

MOST_TURNS = 120
READ_S = 2.0
DISCLOSE_S = 1.0

# What led to a card or was refused is between that person and those who help them.
TURNS = f"""
SELECT * FROM (
    SELECT u.id, u.member_id, m.number, u.text, u.act, u.accepted_at,
           v.verdict IN ('accepted', 'edited'), n.text
    FROM coach_utterance u
    JOIN coach_member m ON m.id = u.member_id AND m.role = 'participant'
    LEFT JOIN coach_nudge n ON n.utterance_id = u.id AND n.state = 'shown'
    LEFT JOIN LATERAL (
        SELECT verdict FROM coach_feedback f WHERE f.nudge_id = n.id ORDER BY f.at DESC LIMIT 1
    ) v ON true
    WHERE u.session_id = %(session)s AND u.text <> '' AND m.removed_at IS NULL
      AND (%(member)s::uuid IS NULL OR u.member_id = %(member)s)
      AND u.outcome IS DISTINCT FROM 'escalated' AND u.outcome IS DISTINCT FROM 'blocked'
    ORDER BY u.accepted_at DESC LIMIT {MOST_TURNS}
) AS latest ORDER BY accepted_at
"""


@dataclass(frozen=True)
class Turn:
    """One released utterance; `nudge` is the one it led to, if that was accepted."""

    utterance: UUID
    member: UUID
    speaker: int
    text: str = field(repr=False)
    act: str = ""
    nudge: str = field(default="", repr=False)


@dataclass(frozen=True)
class Material:
    """What was released, oldest first, and the state of consent that it holds under."""

    turns: tuple[Turn, ...]
    epochs: dict[UUID, int]
    goal: str = field(default="", repr=False)

    @property
    def subjects(self) -> list[UUID]:
        return sorted({turn.member for turn in self.turns})


async def gather(
    engines: Engines, session: UUID, *, member: UUID | None, recipient: str
) -> Material:
    """The turns that may be used: one member's for themselves, or all for the facilitator.

    A model sees a turn only for `reflection`; the facilitator only for `facilitator_view` too.
    Each release is logged before this returns. Raises DatabaseError, ConsentError.
    """
    rows = await engines.database.fetch(
        TURNS, {"session": session, "member": member}, timeout_s=READ_S
    )
    turns = [
        Turn(utterance, of, number, text, act, nudge or "" if taken else "")
        for utterance, of, number, text, act, _, taken, nudge in rows
    ]
    released: set[UUID] = set()
    epochs: dict[UUID, int] = {}
    goal = ""
    for subject in dict.fromkeys(turn.member for turn in turns):
        spoken = "\n".join(turn.text for turn in turns if turn.member == subject)
        epoch, own_goal = await _released(engines, subject, spoken, recipient, member is None)
        if epoch is not None:
            released.add(subject)
            epochs[subject] = epoch
            goal = own_goal if member is not None else ""
    return Material(tuple(t for t in turns if t.member in released), epochs, goal)


async def _released(
    engines: Engines, subject: UUID, spoken: str, recipient: str, for_facilitator: bool
) -> tuple[int | None, str]:
    """The epoch this person's words are released at, None for a no, and their own goal."""
    purposes: Sequence[Purpose] = (Purpose.REFLECTION,)
    if for_facilitator:
        purposes = (Purpose.FACILITATOR_VIEW, Purpose.REFLECTION)
    epoch, goal = None, ""
    for purpose in purposes:
        own = purpose is Purpose.REFLECTION and not for_facilitator
        try:
            view = await engines.vault.disclose(
                subject, {"utterance": spoken}, purpose=purpose,
                recipient=recipient if purpose is Purpose.REFLECTION else "facilitator",
                stored=("goal",) if own else (), timeout_s=DISCLOSE_S,
            )  # fmt: skip
        except UnknownSubject:
            return None, ""
        if "utterance" in view.withheld:
            return None, ""
        epoch, goal = view.epoch, view.released.get("goal", "")
    return epoch, goal

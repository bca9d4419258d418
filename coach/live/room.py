"""What a worker keeps in memory of a session: enough to redact, search and address by."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from coach.cadence.rules import Rule
from coach.database import Database
from safety.redaction import Lexicon

ROOM = """
SELECT s.organisation_id, s.playbook_id, s.pseudonym_key, s.roster_version, s.title, s.mode,
       s.status, s.killed OR o.killed, s.cooldown_s,
       coalesce((SELECT jsonb_agg(
                     jsonb_build_array(m.id, m.display_name, m.number, m.role, m.paused,
                                        m.language)
                     ORDER BY m.number)
                 FROM coach_member m WHERE m.session_id = s.id AND m.removed_at IS NULL), '[]'),
       coalesce((SELECT jsonb_agg(jsonb_build_array(t.use, t.text) ORDER BY t.id)
                 FROM lexicons_term t WHERE t.organisation_id = s.organisation_id), '[]'),
       s.phase,
       coalesce((SELECT jsonb_agg(
                     to_jsonb(r) - '{playbook_id,organisation_id,number,enabled}'::text[]
                     ORDER BY r.number, r.id)
                 FROM cadence_triggerrule r
                 WHERE r.playbook_id = s.playbook_id AND r.enabled), '[]')
FROM coach_session s JOIN coach_organisation o ON o.id = s.organisation_id
WHERE s.id = %(session)s
"""


@dataclass(frozen=True)
class Seat:
    member: UUID
    name: str = field(repr=False)
    number: int
    role: str
    paused: bool
    language: str = ""


@dataclass(frozen=True)
class Room:
    """A session as it was at `roster_version`; a newer roster asks for a newer Room."""

    session: UUID
    organisation_id: UUID
    playbook_id: UUID | None
    key: bytes = field(repr=False)
    roster_version: int
    title: str
    mode: str
    status: str
    killed: bool
    cooldown_s: int
    seats: tuple[Seat, ...]
    lexicon: Lexicon = field(default_factory=Lexicon, repr=False)
    language: str = "en"
    phase: str = ""
    rules: tuple[Rule, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(seat.name for seat in self.seats)

    def seat(self, member: UUID) -> Seat | None:
        return next((seat for seat in self.seats if seat.member == member), None)

    def neutral_name(self, member: UUID) -> str:
        """A name is shown only where its owner allows it."""
        seat = self.seat(member)
        return f"Participant {seat.number}" if seat else "Participant"


async def load_room(database: Database, session: UUID, *, timeout_s: float) -> Room | None:
    """The session as it is now; None when there is no such session."""
    rows = await database.fetch(ROOM, {"session": session}, timeout_s=timeout_s)
    if not rows:
        return None
    (
        organisation, playbook, key, version, title, mode, status, killed, cooldown, seats, terms,
        phase, rules,
    ) = rows[0]  # fmt: skip
    return Room(
        session=session,
        organisation_id=organisation,
        playbook_id=playbook,
        key=bytes(key),
        roster_version=version,
        title=title,
        mode=mode,
        status=status,
        killed=killed,
        cooldown_s=cooldown,
        seats=tuple(_seat(entry) for entry in seats),
        lexicon=_lexicon(terms),
        phase=phase,
        rules=tuple(Rule.of(row) for row in rules),
    )


def _lexicon(terms: list[list[str]]) -> Lexicon:
    by_use: dict[str, list[str]] = {"mask": [], "keep": [], "category": []}
    for use, text in terms:
        by_use[use].append(text)
    return Lexicon(tuple(by_use["mask"]), frozenset(by_use["keep"]), frozenset(by_use["category"]))


def _seat(entry: list[Any]) -> Seat:
    member, name, number, role, paused, language = entry
    return Seat(UUID(member), name, number, role, paused, language)

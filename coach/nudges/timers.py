"""Trigger rules that go by time: silence, and how a room shares the talk.

Each worker looks at the rooms that it serves; which of them gives a nudge is decided by the row
that it claims. So a room's timers live as long as anybody is in it, whichever workers come and go.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from coach import tenancy
from coach.cadence.rules import (
    BALANCE,
    EVERYONE,
    FACILITATORS,
    SILENCE,
    Rule,
    Turn,
    in_phase,
    out_of_balance,
)
from coach.live import doorbell
from coach.live.log import Outgoing
from coach.live.room import Room
from coach.models import Member
from coach.nudges.giving import Card, give, not_due, standing_of
from coach.nudges.outcome import Citation
from coach.ops import metrics
from rag.errors import RetrievalError
from rag.retrieval import Filters, Passage
from rag.screening import suspect
from safety import guardrails

if TYPE_CHECKING:
    from coach.live.hub import Hub

log = structlog.get_logger(__name__)

EVERY_S = 2.0
READ_S = 0.5
WINDOW_S = 900
MOST_TURNS = 500
FALLBACK = "fallback"

# What was said lately; where nobody spoke yet, silence is counted from when the last one came in.
TURNS = f"""
SELECT w.session_id, t.member_id, t.ago_s, t.characters,
       extract(epoch FROM now() - (
           SELECT max(m.joined_at) FROM coach_member m WHERE m.session_id = w.session_id))
FROM unnest(%(sessions)s::uuid[]) AS w(session_id)
LEFT JOIN LATERAL (
    SELECT u.member_id, extract(epoch FROM now() - u.accepted_at) AS ago_s, u.characters
    FROM coach_utterance u
    WHERE u.session_id = w.session_id AND u.accepted_at > now() - interval '{WINDOW_S} s'
    ORDER BY u.accepted_at DESC LIMIT {MOST_TURNS}
) t ON true
"""

# Whoever writes the row first gives the nudge; nobody else does for `every_s`.
CLAIM = """
INSERT INTO cadence_firing (organisation_id, rule_id, session_id, member_id, at)
SELECT organisation_id, %(rule)s, id, %(member)s, now() FROM coach_session WHERE id = %(session)s
ON CONFLICT (rule_id, session_id, member_id) DO UPDATE SET at = now()
WHERE cadence_firing.at < now() - make_interval(secs => %(every_s)s)
RETURNING id
"""


class Timers:
    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._looked = float("-inf")

    async def look(self) -> None:
        """Give what is due by now in the rooms of this worker. Raises DatabaseError."""
        if time.monotonic() - self._looked < EVERY_S or self._hub.admission.overload:
            return
        self._looked = time.monotonic()
        rooms = await self._timed_rooms()
        if not rooms:
            return
        rows = await self._hub.engines.database.fetch(
            TURNS, {"sessions": list(rooms)}, timeout_s=READ_S
        )
        for session, room in rooms.items():
            mine = [row for row in rows if row[0] == session]
            turns = [
                Turn(member, float(ago), characters)
                for _, member, ago, characters, _ in mine
                if member is not None
            ]
            began_s = float(mine[0][4] or 0.0) if mine else 0.0
            with tenancy.acting(tenancy.of([room.organisation_id], actor="timers")):
                await self._look_at(room, turns, began_s)

    async def _timed_rooms(self) -> dict[UUID, Room]:
        """The rooms somebody is in here, open, with a rule that goes by time."""
        sessions = list({reader.session for reader in self._hub.readers})
        if not sessions:
            return {}
        versions = dict(
            await self._hub.engines.database.fetch(
                "SELECT id, roster_version FROM coach_session WHERE id = ANY(%s)",
                [sessions],
                timeout_s=READ_S,
            )
        )
        rooms = {}
        for session in sessions:
            known = self._hub.known_room(session)
            stale = known is not None and known.roster_version != versions.get(session)
            room = await self._hub.room(session, fresh=stale)
            if (
                room is not None
                and room.status == "open"
                and room.mode != "paused"
                and any(rule.on in (SILENCE, BALANCE) for rule in room.rules)
            ):
                rooms[session] = room
        return rooms

    async def _look_at(self, room: Room, turns: Sequence[Turn], began_s: float) -> None:
        people = [s.member for s in room.seats if s.role == Member.Role.PARTICIPANT]
        quiet_s = min([turn.ago_s for turn in turns], default=began_s)
        for rule in room.rules:
            if not in_phase(rule, room.phase):
                continue
            if rule.on == SILENCE and quiet_s >= rule.after_s:
                await self._fire(rule, room, None, people)
            elif rule.on == BALANCE:
                for member in out_of_balance(rule, turns, people):
                    await self._fire(rule, room, member, people)

    async def _fire(
        self, rule: Rule, room: Room, about: UUID | None, people: Sequence[UUID]
    ) -> None:
        if rule.to == FACILITATORS:
            receivers: Sequence[UUID] = ()
        elif rule.to == EVERYONE or about is None:
            receivers = people
        else:
            receivers = (about,)
        standings = [(m, await standing_of(self._hub, room.session, m)) for m in receivers]
        due = [(m, s) for m, s in standings if s and await not_due(self._hub, m, s) is None]
        if rule.to != FACILITATORS and not due:
            return
        if not await self._claimed(rule, room, about):
            return
        metrics.RULES.labels(rule.on, rule.then).inc()
        passages = await self._passages(rule, room)
        if rule.to == FACILITATORS:
            await self._hint(rule, room, about, passages)
        for member, standing in due:
            passage = next((p for p in passages if p.id not in standing.recent_passages), None)
            if passage is not None:
                await give(self._hub, room, member, _card(rule, room, passage))

    async def _claimed(self, rule: Rule, room: Room, about: UUID | None) -> bool:
        return bool(
            await self._hub.engines.database.fetch(
                CLAIM,
                {
                    "rule": rule.id,
                    "session": room.session,
                    "member": about,
                    "every_s": rule.every_s,
                },
                timeout_s=READ_S,
            )
        )

    async def _passages(self, rule: Rule, room: Room) -> tuple[Passage, ...]:
        """Cards for the rule's activity; none where the playbook has none, or is not reached."""
        if room.playbook_id is None:
            return ()
        try:
            found = await self._hub.engines.retrieval.opening(
                organisation_id=room.organisation_id,
                playbook_id=room.playbook_id,
                activity=rule.activity or FALLBACK,
                filters=Filters(role="participant"),
                timeout_s=READ_S,
            )
        except RetrievalError as exc:
            log.warning("timers.unsearched", reason=type(exc).__name__)
            return ()
        return tuple(
            p for p in found.passages if not (suspect(p.text) or guardrails.gives_orders(p.text))
        )

    async def _hint(
        self, rule: Rule, room: Room, about: UUID | None, passages: Sequence[Passage]
    ) -> None:
        """Tell the facilitators, with a card that they may send on."""
        frame = {
            "rule": rule.name,
            "on": rule.on,
            "member": str(about) if about is not None else None,
            "passage": str(passages[0].id) if passages else None,
            "title": passages[0].title if passages else "",
            "text": passages[0].text if passages else "",
        }
        logged = await self._hub.engines.log.append(
            room.session, [Outgoing(FACILITATORS, "hint", frame)], timeout_s=READ_S
        )
        await doorbell.ring(room.session, logged)


def _card(rule: Rule, room: Room, passage: Passage) -> Card:
    return Card(
        passage.text,
        (Citation(passage.id, passage.title, passage.version, passage.text),),
        source="playbook",
        reason=rule.on,
        held=room.mode != "auto",
        trace={"rule": rule.name, "on": rule.on},
    )

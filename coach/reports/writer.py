"""Writes a report in the background: point by point, each clause past the gate, and cancellable."""

import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from coach.database import DatabaseError
from coach.errors import Refused
from coach.gateway.errors import GatewayError
from coach.gateway.prompt import Ask
from coach.gateway.routes import Role
from coach.live import doorbell
from coach.live.deadline import Deadline
from coach.live.hub import Hub
from coach.live.log import Outgoing
from coach.live.room import Room
from coach.models import FACILITATORS
from coach.nudges.prompt import cache_salt
from coach.reports import prompt
from coach.reports.extract import Point, extract, point
from coach.reports.material import Material, Turn, gather
from coach.reports.models import LOST_AFTER_S
from consent.errors import ConsentError
from safety import gate
from safety.errors import GateClosed

log = structlog.get_logger(__name__)

WRITE_S = 1.0
POINT_MS = 12_000.0
FIRST_MS = 6_000.0
PERCENT_GATHERED = 10

START = f"""
WITH lost AS (
    UPDATE reports_report SET state = 'failed', reason = 'interrupted'
    WHERE session_id = %(session)s AND state = 'running'
      AND touched_at < now() - interval '{LOST_AFTER_S} s'
)
INSERT INTO reports_report (id, organisation_id, session_id, member_id, kind, state, progress,
                            points, source, reason, subjects)
SELECT %(report)s, %(organisation)s, %(session)s, %(member)s, %(kind)s, 'running', 0,
       '[]', '', '', '{{}}'
ON CONFLICT DO NOTHING RETURNING id
"""

# Whoever cancelled has changed the state, and then nothing more is written.
TOUCH = """
UPDATE reports_report
SET state = %(state)s, progress = %(progress)s, points = %(points)s, source = %(source)s,
    reason = %(reason)s, subjects = %(subjects)s, touched_at = now()
WHERE id = %(report)s AND state = 'running' RETURNING id
"""

CANCEL = """
UPDATE reports_report SET state = 'cancelled', points = '[]', subjects = '{}', touched_at = now()
WHERE id = %(report)s AND session_id = %(session)s AND state = 'running' RETURNING id
"""


class Cancelled(Exception):
    """Somebody wants no more of this report, or allows it no more."""


def questions(kind: str) -> tuple[tuple[str, str], ...]:
    """What a report answers, as (heading, question) in order."""
    if kind == "reflection":
        return (
            (_("What you worked on"), "What did the person work on in this session?"),
            (_("What moved"), "What changed in how they spoke about it, from early to late turns?"),
            (_("What is open"), "Which question of theirs is still open at the end?"),
        )
    return (
        (_("What it was about"), "What was this conversation about?"),
        (_("Key moments"), "At which turns did the conversation change direction, and how?"),
        (_("Open questions"), "Which questions were asked and not answered?"),
    )


async def start(hub: Hub, room: Room, kind: str, member: UUID | None) -> UUID:
    """Begin a report in the background and give its id.

    Raises Refused when one is being written already, DatabaseError when it cannot be stored.
    """
    report = uuid4()
    rows = await hub.engines.database.fetch(
        START,
        {
            "report": report, "organisation": room.organisation_id, "session": room.session,
            "member": member, "kind": kind,
        },
        timeout_s=WRITE_S,
    )  # fmt: skip
    if not rows:
        raise Refused("busy", "It is being written already.")
    hub.begin_report(report, Writer(hub, room, kind, member, report).write())
    return report


async def cancel(hub: Hub, session: UUID, report: UUID) -> None:
    """Stop a report, whichever worker writes it. Raises Refused, DatabaseError."""
    rows = await hub.engines.database.fetch(
        CANCEL, {"report": report, "session": session}, timeout_s=WRITE_S
    )
    if not rows:
        raise Refused("not_found", "Nothing of this id is being written.")
    hub.stop_report(report)


class Writer:
    """One report on its way: from released turns to points that cite them."""

    def __init__(self, hub: Hub, room: Room, kind: str, member: UUID | None, report: UUID) -> None:
        self._engines = hub.engines
        self._room = room
        self._kind = kind
        self._member = member
        self._report = report
        self._audience = FACILITATORS if member is None else str(member)
        self._points: list[Point] = []
        self._subjects: list[UUID] = []

    async def write(self) -> None:
        """See it through to its end; the report's row says which end that was."""
        try:
            material = await gather(
                self._engines, self._room.session, member=self._member, recipient=self._recipient
            )
            self._subjects = material.subjects
            if not material.turns:
                await self._finish("failed", "", "no_consent")
                return
            await self._touch(PERCENT_GATHERED)
            source, reason = "model", ""
            try:
                await self._by_a_model(material)
            except GatewayError as exc:
                source, reason = "extract", exc.reason
            except GateClosed as exc:
                source, reason = "extract", f"gate_{exc.reason}"
            if source == "extract":
                await self._still_allowed(material)
                self._points = extract(material.turns, for_facilitator=self._member is None)
            await self._finish("done", source, reason)
        except Cancelled:
            log.info("report.cancelled", report=str(self._report))
        except (DatabaseError, ConsentError) as exc:
            log.warning("report.failed", report=str(self._report), error=type(exc).__name__)
            await self._finish("failed", "", "unavailable")

    async def _by_a_model(self, material: Material) -> None:
        """All points, one call each. Raises GatewayError, GateClosed, Cancelled, DatabaseError."""
        asked = questions(self._kind)
        for n, (heading, question) in enumerate(asked, start=1):
            await self._still_allowed(material)
            self._points.append(await self._answer(heading, question, material))
            share = PERCENT_GATHERED + (95 - PERCENT_GATHERED) * n // len(asked)
            await self._touch(share)

    async def _answer(self, heading: str, question: str, material: Material) -> Point:
        room, gateway = self._room, self._engines.gateway
        mark = self._engines.canary(room.organisation_id)
        asked, turns = prompt.build_prompt(
            self._kind, question, material.turns, goal=material.goal, canary_word=mark,
            count=gateway.counter(Role.REASONING),
        )  # fmt: skip
        ask = Ask(
            room.organisation_id, room.session, self._member, role=Role.REASONING,
            language=room.language,
            salt=cache_salt(settings.SECRET_KEY, str(room.organisation_id)),
        )  # fmt: skip
        protected = gate.Protected(
            names=room.names, canaries=(mark,), prompt_lines=prompt.system_lines(self._kind)
        )
        shown: list[str] = []
        async with gateway.draft(
            asked, ask, deadline=Deadline.after_ms(POINT_MS), first_by=Deadline.after_ms(FIRST_MS)
        ) as draft:
            clauses = gate.release(
                aiter(draft), passages=[t.text for t in turns], protected=protected
            )
            async with aclosing(clauses):
                async for clause in clauses:
                    await self._still_allowed(material)
                    await self._tell(
                        "report.delta", point=len(self._points), heading=heading, text=clause,
                        offset=sum(map(len, shown)),
                    )  # fmt: skip
                    shown.append(clause)
            cites = draft.body.cites if draft.body is not None else ()
            cited = _cited(cites, turns)
            if not cited:
                raise GateClosed("no_source")
        return point(heading, "".join(shown).strip(), cited)

    async def _still_allowed(self, material: Material) -> None:
        """Raises Cancelled when anybody whose words these are has changed their choices."""
        for subject, epoch in material.epochs.items():
            if await self._engines.vault.epoch(subject, timeout_s=WRITE_S) != epoch:
                await self._finish("cancelled", "", "consent_changed")
                raise Cancelled

    async def _touch(self, progress: int, state: str = "running", **ended: str) -> None:
        """Store what there is; raises Cancelled when the report is no longer wanted."""
        rows = await self._engines.database.fetch(
            TOUCH,
            {
                "report": self._report, "state": state, "progress": progress,
                "points": json.dumps(self._points), "subjects": self._subjects,
                "source": ended.get("source", ""), "reason": ended.get("reason", ""),
            },
            timeout_s=WRITE_S,
        )  # fmt: skip
        if not rows:
            raise Cancelled
        await self._tell("report.progress", percent=progress, state=state)

    async def _finish(self, state: str, source: str, reason: str) -> None:
        if state != "done":
            self._points, self._subjects = [], []
        await self._touch(100, state, source=source, reason=reason)
        frame = {"report": str(self._report), "kind": self._kind, "state": state, "reason": reason}
        logged = await self._engines.log.append(
            self._room.session, [Outgoing(self._audience, "report.done", frame)], timeout_s=WRITE_S
        )
        await doorbell.ring(self._room.session, logged)

    async def _tell(self, kind: str, **told: Any) -> None:
        frame = {"type": kind, "report": str(self._report), **told}
        await doorbell.pass_on(self._room.session, self._audience, frame)

    @property
    def _recipient(self) -> str:
        routes = self._engines.gateway.routes(Role.REASONING)
        return ", ".join(f"{r.name}: {r.model}" for r in routes) if routes else "report"


def _cited(cites: Sequence[int], turns: Sequence[Turn]) -> list[Turn]:
    return [turns[n - 1] for n in dict.fromkeys(cites) if 1 <= n <= len(turns)]

"""A worker's watch: once a second it asks the database for whatever nobody told it."""

import asyncio
import contextlib
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from coach import tenancy
from coach.database import DatabaseError
from coach.live import doorbell
from coach.live.log import Logged, Outgoing
from coach.live.telling import Spoken, tell_facilitators
from coach.models import FACILITATORS
from coach.nudges.timers import Timers

if TYPE_CHECKING:
    from coach.live.hub import Hub

log = structlog.get_logger(__name__)

EVERY_S = 1.0
REJOIN_EVERY = 5
WRITE_S = 0.5


class Watch:
    """Numbers the doorbell may have missed, rights that ended, what a dead worker left, timers."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._timers = Timers(hub)
        self._beats = 0
        self._notice: int | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            tenancy.enter(tenancy.everywhere("watch"))
            try:
                await self._compare_heads()
                await self._end_rights()
                await self._adopt_orphans()
                await self._tell_what_is_untold()
                await self._rejoin()
                await self._ask_again()
                await self._timers.look()
            except DatabaseError as exc:
                log.warning("watch.blind", error=type(exc).__name__)

    async def _ask_again(self) -> None:
        """Tell whoever is here of a notice that voids what they allowed."""
        rows = await self._hub.engines.vault_database.fetch(NOTICE, timeout_s=WRITE_S)
        version, known = rows[0][0], self._notice
        self._notice = version
        if known is None or version == known:
            return
        frame = {"type": "consent.changed", "consent": {}, "asks_again": True, "notice": version}
        for session, audience in {(s.session, s.audience) for s in self._hub.readers}:
            if audience != FACILITATORS:
                await doorbell.pass_on(session, audience, frame)

    async def _rejoin(self) -> None:
        """Layers forget their groups, after a restart or a day; a member says so again."""
        self._beats += 1
        if self._beats % REJOIN_EVERY == 0:
            await self._hub.lines.renew(timeout_s=WRITE_S)
            await self._hub.orders.join()
            for socket in list(self._hub.readers):
                await socket.join_group()

    async def _compare_heads(self) -> None:
        wanted = {(socket.session, socket.audience) for socket in self._hub.readers}
        if not wanted:
            return
        heads = await self._hub.engines.log.heads(list(wanted), timeout_s=WRITE_S)
        for socket in list(self._hub.readers):
            if (head := heads.get((socket.session, socket.audience))) is not None:
                socket.head_is(head)

    async def _end_rights(self) -> None:
        sockets = list(self._hub.readers)
        if not sockets:
            return
        rights = [socket.rights for socket in sockets]
        rows = await self._hub.engines.database.fetch(
            RIGHTS,
            {
                "members": [each.member for each in rights],
                "users": [each.user for each in rights],
                "keys": [each.key for each in rights],
                "stamps": [each.stamp for each in rights],
            },
            timeout_s=WRITE_S,
        )
        for (nth,) in rows:
            sockets[nth - 1].rights_ended()

    async def _adopt_orphans(self) -> None:
        """Give a terminal event to utterances whose worker died on the way."""
        orphans = await self._hub.engines.log.orphans(timeout_s=WRITE_S)
        for utterance, session, member, key, organisation in orphans:
            if utterance not in self._hub.walks:
                with tenancy.acting(tenancy.of([organisation], actor="watch")):
                    await self._adopt(utterance, session, member, key)

    async def _tell_what_is_untold(self) -> None:
        """Tell the facilitators what a worker that died, or a database that was busy, left out."""
        for left in await self._hub.engines.log.untold(timeout_s=WRITE_S):
            with tenancy.acting(tenancy.of([left.organisation], actor="watch")):
                room = await self._hub.room(left.session)
                if room is None:
                    continue
                spoken = Spoken(
                    left.utterance, left.session, left.member, room.neutral_name(left.member),
                    left.text, left.outcome, left.reason,
                )  # fmt: skip
                await tell_facilitators(self._hub.engines, spoken)

    async def _adopt(self, utterance: UUID, session: UUID, member: UUID, key: UUID) -> None:
        frame = {
            "utterance": str(utterance),
            "client_msg_id": str(key),
            "code": "interrupted",
            "detail": "The server was restarted while it worked on this.",
        }
        room = await self._hub.room(session)
        seat = room.seat(member) if room is not None else None
        audience = FACILITATORS if seat and seat.role == "facilitator" else str(member)
        logged: tuple[Logged, ...] = await self._hub.engines.log.finish(
            session=session,
            utterance=utterance,
            outcome="error",
            reason="interrupted",
            act="",
            outgoing=[Outgoing(audience, "error", frame)],
            timeout_s=WRITE_S,
        )
        await doorbell.ring(session, logged)


NOTICE = "SELECT coalesce(max(version), 0) FROM consent_notice WHERE asks_again"

# A seat that is gone, a place that is gone or became another, a log-in that is shut or got a new
# password, a browser's session that ended.
RIGHTS = """
SELECT w.nth
FROM unnest(%(members)s::uuid[], %(users)s::int[], %(keys)s::text[], %(stamps)s::text[])
    WITH ORDINALITY AS w(member, "user", key, stamp, nth)
LEFT JOIN coach_member m ON m.id = w.member AND m.removed_at IS NULL
LEFT JOIN coach_session s ON s.id = m.session_id
LEFT JOIN auth_user u ON u.id = w."user"
LEFT JOIN django_session d ON d.session_key = w.key
WHERE m.id IS NULL
   OR (m.role = 'facilitator' AND NOT EXISTS (
        SELECT FROM coach_staff f
        WHERE f.user_id = m.user_id AND f.organisation_id = s.organisation_id
          AND (f.role = 'administrator' OR s.facilitator_id = m.user_id)))
   OR (w."user" IS NOT NULL AND (u.id IS NULL OR NOT u.is_active OR md5(u.password) <> w.stamp))
   OR (w.key IS NOT NULL AND (d.session_key IS NULL OR d.expire_date < now()))
"""

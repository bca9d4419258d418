"""What one worker has under way: its open sockets, its roads, and its watch over both."""

import asyncio
import contextlib
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import structlog
from django.conf import settings

from coach import tenancy
from coach.database import DatabaseError
from coach.engines import Engines
from coach.errors import Refused
from coach.gateway.ledger import BudgetNews
from coach.live import doorbell
from coach.live.deadline import Deadline, Stopwatch
from coach.live.frames import Say
from coach.live.lines import Lines
from coach.live.log import Accepted, Logged, Outgoing, Pace, digest_of
from coach.live.room import Room, load_room
from coach.models import FACILITATORS
from coach.nudges import ending
from coach.nudges.outcome import Cancelled, Failed, Outcome, stand_in
from coach.nudges.road import compose
from coach.nudges.trace import Heard, Trace
from coach.ops import metrics
from consent.errors import ConsentError
from consent.registry import Purpose
from safety.errors import RedactionFailed
from safety.redaction import Redacted, placeholder

log = structlog.get_logger(__name__)

ACCEPT_S = 0.5
ACCEPT_ATTEMPTS = 4
WRITE_S = 0.5
WATCH_EVERY_S = 1.0
REJOIN_EVERY = 5
ROOMS_KEPT = 512
SPOKEN_KEPT = 200


class Socket(Protocol):
    """What the hub asks of a connected consumer."""

    session: UUID
    audience: str
    member: UUID

    def head_is(self, seq: int) -> None: ...

    async def rights_ended(self) -> None: ...

    async def join_group(self) -> None: ...

    @property
    def rights(self) -> tuple[UUID, int | None, str | None, str]: ...


@dataclass
class Walk:
    """A road under way, and why it was told to stop, if it was."""

    member: UUID
    task: asyncio.Task[Outcome]
    stopped: str = ""


@dataclass
class Speaker:
    """The words behind this member's placeholders, for their own eyes and only in memory."""

    spoken: OrderedDict[str, str] = field(default_factory=OrderedDict, repr=False)

    def learn(self, pseudonyms: Mapping[str, str]) -> None:
        self.spoken.update(pseudonyms)
        while len(self.spoken) > SPOKEN_KEPT:
            self.spoken.popitem(last=False)


class Hub:
    """One per worker. Owns the roads, so that they outlive the sockets they began on."""

    def __init__(self, engines: Engines) -> None:
        self.engines = engines
        self.draining = False
        self._sockets: set[Socket] = set()
        self._walks: dict[UUID, Walk] = {}
        self._rooms: OrderedDict[UUID, Room] = OrderedDict()
        self._speakers: OrderedDict[UUID, Speaker] = OrderedDict()
        self._beats = 0
        self._notice: int | None = None
        self._typing: dict[UUID, float] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._reports: dict[UUID, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None
        self.lines = Lines(engines.database)
        engines.ledger.tell = self._tell_budget

    def start(self) -> None:
        self._watch = asyncio.create_task(self._keep_watch())

    async def drain(self) -> None:
        """Let every road come to its end, then stop watching."""
        self.draining = True
        limit = time.monotonic() + settings.ENV.terminal_ms / 1000 + WRITE_S
        while self._background and (left := limit - time.monotonic()) > 0:
            await asyncio.wait(self._background, timeout=left)
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    def connect(self, socket: Socket) -> None:
        self._sockets.add(socket)

    def disconnect(self, socket: Socket) -> None:
        self._sockets.discard(socket)

    def is_connected(self, member: UUID) -> bool:
        return any(socket.member == member for socket in self._sockets)

    async def room(self, session: UUID, *, fresh: bool = False) -> Room | None:
        """This session as the worker knows it, read anew when asked to."""
        known = self._rooms.get(session)
        if known is not None and not fresh:
            return known
        room = await load_room(self.engines.database, session, timeout_s=ACCEPT_S)
        if room is None:
            return None
        self._rooms[session] = room
        self._rooms.move_to_end(session)
        while len(self._rooms) > ROOMS_KEPT:
            self._rooms.popitem(last=False)
        return room

    def known_room(self, session: UUID) -> Room | None:
        return self._rooms.get(session)

    def typing(self, member: UUID) -> None:
        """This member is writing: their older nudge would come in between."""
        self._typing[member] = time.monotonic()

    def forget_room(self, session: UUID) -> None:
        self._rooms.pop(session, None)

    def spoken_by(self, member: UUID, room: Room | None) -> dict[str, str]:
        """Placeholders this member may see through: their own words, and names in the room."""
        known = dict(self._speaker(member).spoken)
        if room is not None:
            for name in room.names:
                known.setdefault(placeholder("NAME", name, room.key), name)
        return known

    async def say(self, say: Say, *, session: UUID, member: UUID, audience: str) -> None:
        """Accept an utterance and walk its road in the background.

        Raises Refused when it was not accepted; DatabaseError when nobody knows.
        """
        watch = Stopwatch()
        begun = Deadline.after_ms(settings.ENV.terminal_ms)
        clause_by = Deadline.after_ms(settings.ENV.nudge_ms)
        for attempt in range(ACCEPT_ATTEMPTS):
            # A roster that grew meanwhile holds a name that this redaction did not know.
            room = await self.room(session, fresh=attempt > 0)
            if room is None:
                raise Refused("not_found", "There is no such session.")
            with watch.stage("redact"):
                redacted = await self._redact(say.text, room, begun)
            with watch.stage("accept"):
                accepted = await self._accept(say, redacted, room, member, audience)
            if accepted is None:
                raise Refused("not_found", "You are not in this session.")
            if accepted.status != "open" and not accepted.known:
                raise Refused("ended", "This session is over.")
            if accepted.too_fast:
                metrics.FRAMES_REFUSED.labels("pace").inc()
                raise Refused("rate_limited", "You speak too fast; say it again soon.")
            if accepted.fresh:
                self._speaker(member).learn(redacted.pseudonyms if redacted else {})
                with watch.stage("deliver"):
                    await doorbell.ring(session, accepted.logged)
                text = redacted.text if redacted else ""
                heard = Heard(accepted.utterance, member, room, accepted, text)
                self._begin(heard, audience, watch, clause_by, begun, unread=redacted is None)
                return
            if accepted.known:
                if not accepted.same_text:
                    raise Refused("key_reuse", "This `client_msg_id` was used for other words.")
                await self._repeat(say, session, audience, accepted)
                return
        raise Refused("busy", "Too many are joining right now; say it again.")

    def forget_speaker(self, member: UUID) -> None:
        """Keep none of the words behind this member's placeholders."""
        self._speakers.pop(member, None)

    def cancel(self, member: UUID, reason: str, *, utterance: UUID | None = None) -> bool:
        """Stop this member's roads, or one of them; each still gets its terminal event."""
        stopped = False
        for key, walk in self._walks.items():
            if walk.member == member and utterance in (None, key) and not walk.task.done():
                walk.stopped = walk.stopped or reason
                walk.task.cancel()
                stopped = True
        return stopped

    async def cancel_by_key(self, session: UUID, member: UUID, client_msg_id: UUID) -> None:
        rows = await self.engines.database.fetch(
            "SELECT id FROM coach_utterance WHERE session_id = %s AND member_id = %s"
            " AND client_msg_id = %s AND outcome IS NULL",
            [session, member, client_msg_id],
            timeout_s=ACCEPT_S,
        )
        for (utterance,) in rows:
            self.cancel(member, "by_speaker", utterance=utterance)

    def _speaker(self, member: UUID) -> Speaker:
        speaker = self._speakers.setdefault(member, Speaker())
        self._speakers.move_to_end(member)
        while len(self._speakers) > 4 * ROOMS_KEPT:
            self._speakers.popitem(last=False)
        return speaker

    async def _redact(self, text: str, room: Room, deadline: Deadline) -> Redacted | None:
        """None when redaction failed: then nothing of the text is stored or travels."""
        try:
            return await self.engines.redact(text, room, deadline)
        except RedactionFailed as exc:
            log.warning("redaction.failed", reason=type(exc.__cause__ or exc).__name__)
            return None

    async def _accept(
        self, say: Say, redacted: Redacted | None, room: Room, member: UUID, audience: str
    ) -> Accepted | None:
        return await self.engines.log.accept(
            session=room.session,
            member=member,
            audience=audience,
            utterance=uuid.uuid4(),
            client_msg_id=say.client_msg_id,
            digest=digest_of(say.text, key=room.key),
            text=redacted.text if redacted else "",
            raw_text=say.text if settings.STORE_RAW_TEXT else None,
            characters=len(say.text),
            roster_version=room.roster_version,
            pace=Pace(settings.ENV.utterances_per_s, settings.ENV.utterance_burst),
            timeout_s=ACCEPT_S,
        )

    async def _repeat(self, say: Say, session: UUID, audience: str, accepted: Accepted) -> None:
        """Answer a retry with what was answered before; a road still under way answers itself."""
        ack = {
            "type": "ack",
            "client_msg_id": str(say.client_msg_id),
            "utterance": str(accepted.utterance),
        }
        await doorbell.pass_on(session, audience, ack)
        if accepted.outcome is not None:
            await doorbell.pass_on(session, audience, accepted.outcome)

    def _begin(
        self,
        heard: Heard,
        audience: str,
        watch: Stopwatch,
        clause_by: Deadline,
        deadline: Deadline,
        *,
        unread: bool,
    ) -> None:
        # A newer utterance makes the older nudge stale: one road a person, the latest.
        self.cancel(heard.member, "superseded")
        trace = Trace(watch)
        nudge = uuid.uuid4()
        show = self._show(heard, audience, nudge)
        road = self._unread() if unread else compose(
            heard, engines=self.engines, show=show, clause_by=clause_by, deadline=deadline,
            trace=trace,
        )  # fmt: skip
        walk = Walk(heard.member, asyncio.create_task(road))
        self._walks[heard.utterance] = walk
        metrics.ROADS.inc()
        self._keep(self._see_through(heard, audience, walk, trace, nudge, deadline))

    async def _unread(self) -> Outcome:
        return Failed("redaction_failed")

    def _show(self, heard: Heard, audience: str, nudge: UUID) -> Callable[[str, int], Any]:
        live = heard.state.mode == "auto"

        async def show(clause: str, offset: int) -> None:
            if not live:
                return
            if offset == 0:
                start = {
                    "type": "nudge.start",
                    "nudge": str(nudge),
                    "utterance": str(heard.utterance),
                    "source": "model",
                }
                await doorbell.pass_on(heard.room.session, audience, start)
            delta = {"type": "nudge.delta", "nudge": str(nudge), "offset": offset, "text": clause}
            await doorbell.pass_on(heard.room.session, audience, delta)

        return show

    async def _see_through(
        self,
        heard: Heard,
        audience: str,
        walk: Walk,
        trace: Trace,
        nudge: UUID,
        deadline: Deadline,
    ) -> None:
        """Wait for the road, but no longer than its deadline, and write its one terminal event."""
        try:
            await asyncio.wait({walk.task}, timeout=deadline.remaining_s())
            outcome = self._outcome_of(walk, trace, heard)
            ended = ending.Ending(heard, audience, outcome, trace, nudge)
            try:
                with trace.watch.stage("finish"):
                    logged = await self.engines.log.finish(
                        session=heard.room.session, **ended.columns(), timeout_s=WRITE_S
                    )
                with trace.watch.stage("deliver"):
                    await doorbell.ring(heard.room.session, logged)
            except DatabaseError as exc:
                metrics.UNWRITTEN.inc()
                log.error("road.unwritten", error=type(exc).__name__)
                await doorbell.pass_on(heard.room.session, audience, ended.unwritten())
            ended.count()
            await doorbell.pass_on(heard.room.session, FACILITATORS, ended.timing())
            await self._tell_facilitators(ended)
        finally:
            self._walks.pop(heard.utterance, None)
            trace.watch.span.end()
            metrics.ROADS.dec()

    def _outcome_of(self, walk: Walk, trace: Trace, heard: Heard) -> Outcome:
        if not walk.task.done():
            # Some engine holds the road up beyond every limit of its own.
            walk.task.cancel()
            log.error("road.overdue", stages=[name for name, _ in trace.watch.stages])
            if trace.verdict == "allowed":
                return stand_in(trace.passages, "late", recent=heard.state.recent_passages)
            return Failed("late")
        if walk.task.cancelled():
            return Cancelled(walk.stopped or "stopped")
        if (fault := walk.task.exception()) is not None:
            log.error("road.broken", exc_info=(type(fault), fault, fault.__traceback__))
            return Failed("internal")
        return walk.task.result()

    async def _tell_facilitators(self, ended: "ending.Ending") -> None:
        """The utterance as the facilitator may see it, which is a disclosure of its own."""
        heard = ended.heard
        try:
            view = await self.engines.vault.disclose(
                heard.member,
                {"utterance": heard.text},
                purpose=Purpose.FACILITATOR_VIEW,
                recipient="facilitator",
                stored=("display_name",),
                about=heard.utterance,
                timeout_s=WRITE_S,
            )
            released = view.released
        except ConsentError:
            released = {}
        frame = ended.seen_by_facilitator(released)
        try:
            logged = await self.engines.log.append(
                heard.room.session,
                [Outgoing(FACILITATORS, "utterance", frame)],
                timeout_s=WRITE_S,
            )
            await doorbell.ring(heard.room.session, logged)
        except DatabaseError as exc:
            log.error("console.unwritten", error=type(exc).__name__)

    def begin_report(self, report: UUID, work: Coroutine[Any, Any, None]) -> None:
        """Write a report in the background until it is done or stopped."""
        self._reports[report] = self._keep(work)
        self._reports[report].add_done_callback(lambda _: self._reports.pop(report, None))

    def stop_report(self, report: UUID) -> None:
        if (task := self._reports.get(report)) is not None:
            task.cancel()

    async def _tell_budget(self, news: BudgetNews) -> None:
        """Tell the facilitators that money for models runs short, or has run out."""
        frame = {"period": news.period, "percent": news.percent}
        self._keep(self._publish_budget(news.session, frame))

    async def _publish_budget(self, session: UUID, frame: Mapping[str, Any]) -> None:
        outgoing = [Outgoing(FACILITATORS, "budget", frame)]
        await doorbell.ring(
            session, await self.engines.log.append(session, outgoing, timeout_s=WRITE_S)
        )

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("hub.broken", exc_info=(type(fault), fault, fault.__traceback__))

    async def _keep_watch(self) -> None:
        """Once a second: numbers that the doorbell may have missed, rights that ended, orphans."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            tenancy.enter(tenancy.everywhere("watch"))
            try:
                await self._compare_heads()
                await self._end_rights()
                await self._adopt_orphans()
                await self._rejoin()
                await self._ask_again()
            except DatabaseError as exc:
                log.warning("watch.blind", error=type(exc).__name__)

    async def _ask_again(self) -> None:
        """Tell whoever is here of a notice that voids what they allowed."""
        rows = await self.engines.vault_database.fetch(NOTICE, timeout_s=WRITE_S)
        version, known = rows[0][0], self._notice
        self._notice = version
        if known is None or version == known:
            return
        frame = {"type": "consent.changed", "consent": {}, "asks_again": True, "notice": version}
        for session, audience in {(s.session, s.audience) for s in self._sockets}:
            if audience != FACILITATORS:
                await doorbell.pass_on(session, audience, frame)

    async def _rejoin(self) -> None:
        """Layers forget their groups, after a restart or a day; a member says so again."""
        self._beats += 1
        if self._beats % REJOIN_EVERY == 0:
            await self.lines.renew(timeout_s=WRITE_S)
            for socket in list(self._sockets):
                await socket.join_group()

    async def _compare_heads(self) -> None:
        wanted = {(socket.session, socket.audience) for socket in self._sockets}
        if not wanted:
            return
        heads = await self.engines.log.heads(list(wanted), timeout_s=WRITE_S)
        for socket in list(self._sockets):
            if (head := heads.get((socket.session, socket.audience))) is not None:
                socket.head_is(head)

    async def _end_rights(self) -> None:
        sockets = list(self._sockets)
        if not sockets:
            return
        rights = [socket.rights for socket in sockets]
        rows = await self.engines.database.fetch(
            RIGHTS,
            {
                "members": [member for member, _, _, _ in rights],
                "users": [user for _, user, _, _ in rights],
                "keys": [key for _, _, key, _ in rights],
                "stamps": [stamp for _, _, _, stamp in rights],
            },
            timeout_s=WRITE_S,
        )
        for (nth,) in rows:
            await sockets[nth - 1].rights_ended()

    async def _adopt_orphans(self) -> None:
        """Give a terminal event to utterances whose worker died on the way."""
        orphans = await self.engines.log.orphans(timeout_s=WRITE_S)
        for utterance, session, member, key, organisation in orphans:
            if utterance not in self._walks:
                with tenancy.acting(tenancy.of([organisation], actor="watch")):
                    await self._adopt(utterance, session, member, key)

    async def _adopt(self, utterance: UUID, session: UUID, member: UUID, key: UUID) -> None:
        frame = {
            "utterance": str(utterance),
            "client_msg_id": str(key),
            "code": "interrupted",
            "detail": "The server was restarted while it worked on this.",
        }
        room = await self.room(session)
        seat = room.seat(member) if room is not None else None
        audience = FACILITATORS if seat and seat.role == "facilitator" else str(member)
        logged: tuple[Logged, ...] = await self.engines.log.finish(
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

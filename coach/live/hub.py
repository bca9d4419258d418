"""What one worker has under way: its open sockets, its roads, and its watch over both."""

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import structlog
from django.conf import settings

from coach.database import DatabaseError
from coach.engines import Engines
from coach.errors import Overloaded, Refused
from coach.gateway.ledger import BudgetNews
from coach.live import doorbell
from coach.live.admission import Admission
from coach.live.allowance import Allowances
from coach.live.deadline import Deadline, Stopwatch
from coach.live.delivery import CLOSE_RESTARTING
from coach.live.frames import Say
from coach.live.lines import Lines
from coach.live.log import Accepted, Outgoing, Pace, digest_of
from coach.live.orders import Orders
from coach.live.room import Room, load_room
from coach.live.telling import tell_facilitators
from coach.live.typists import Typists
from coach.live.watch import Watch
from coach.models import FACILITATORS
from coach.nudges import ending
from coach.nudges.outcome import Cancelled, Failed, Nudge, Outcome, Silence, stand_in
from coach.nudges.road import compose
from coach.nudges.trace import Heard, Trace
from coach.nudges.warming import Warmer
from coach.ops import metrics
from coach.rooms.access import Rights
from safety import guardrails
from safety.errors import RedactionFailed
from safety.redaction import Redacted, placeholder

log = structlog.get_logger(__name__)

ACCEPT_S = 0.5
ACCEPT_ATTEMPTS = 4
WRITE_S = 0.5
WAITING_PER_CONNECTION = 4
ROOMS_KEPT = 512
SPOKEN_KEPT = 200


class Reader(Protocol):
    """What the hub asks of whoever reads a stream: a socket's delivery, or an event stream's."""

    session: UUID
    audience: str
    member: UUID
    rights: Rights

    def head_is(self, seq: int) -> None: ...

    def rights_ended(self) -> None: ...

    def end(self, code: int) -> None: ...

    async def join_group(self) -> None: ...


@dataclass(frozen=True)
class Said:
    """An utterance that is stored, and its terminal frame if it was answered before."""

    utterance: UUID
    outcome: Mapping[str, Any] | None = None


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
        self.readers: set[Reader] = set()
        self.walks: dict[UUID, Walk] = {}
        self._rooms: OrderedDict[UUID, Room] = OrderedDict()
        self._speakers: OrderedDict[UUID, Speaker] = OrderedDict()
        self.typists = Typists()
        self._background: set[asyncio.Task[Any]] = set()
        self._reports: dict[UUID, asyncio.Task[None]] = {}
        self._measuring: asyncio.Task[None] | None = None
        self.lines = Lines(engines.database)
        self.allowances = Allowances(time.monotonic)
        self.orders = Orders(self)
        self.warmer = Warmer(engines, self.room)
        self.admission = Admission(
            most=settings.ENV.roads_per_worker,
            slow_ms=settings.ENV.nudge_ms / 2,
            waiting=lambda: engines.database.waiting,
            waiting_most=WAITING_PER_CONNECTION * settings.DATABASE_POOL,
            memory_bytes=settings.ENV.memory_limit_mb * 2**20,
            shed=self._rooms.clear,
        )
        self._watch = Watch(self)
        engines.ledger.tell = self._tell_budget

    def start(self) -> None:
        self._watch.start()
        self.orders.start()
        self._measuring = asyncio.create_task(self.admission.keep_watch())

    def stop_serving(self) -> None:
        """Let nobody in from now on, and send whoever reads an event stream to another worker."""
        self.draining = True
        for reader in list(self.readers):
            reader.end(CLOSE_RESTARTING)

    async def drain(self) -> None:
        """Let every road come to its end, then stop watching."""
        self.draining = True
        limit = time.monotonic() + settings.ENV.terminal_ms / 1000 + WRITE_S
        while self._background and (left := limit - time.monotonic()) > 0:
            await asyncio.wait(self._background, timeout=left)
        if self._measuring is not None:
            self._measuring.cancel()
        await self.orders.stop()
        await self._watch.stop()

    def connect(self, reader: Reader) -> None:
        self.readers.add(reader)

    def disconnect(self, reader: Reader) -> None:
        self.readers.discard(reader)
        if not self.is_connected(reader.member):
            self.typists.forget(reader.member)
        if not any(other.session == reader.session for other in self.readers):
            self.forget_room(reader.session)

    def is_connected(self, member: UUID) -> bool:
        return any(reader.member == member for reader in self.readers)

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

    def draft(self, text: str, *, session: UUID, member: UUID) -> None:
        """This member is writing: nudges wait, and what they may be about to say is looked up."""
        if not text:
            self.typists.forget(member)
            return
        self.typists.wrote(member)
        if self.admission.overload:
            metrics.DRAFT_FRAMES.labels("overloaded").inc()
        else:
            self.warmer.draft(text, session=session, member=member)

    def forget_room(self, session: UUID) -> None:
        self._rooms.pop(session, None)

    def spoken_by(self, member: UUID, room: Room | None) -> dict[str, str]:
        """Placeholders this member may see through: their own words, and names in the room."""
        speaker = self._speakers.get(member)
        known = dict(speaker.spoken) if speaker is not None else {}
        if room is not None:
            for name in room.names:
                known.setdefault(placeholder("NAME", name, room.key), name)
        return known

    async def say(self, say: Say, *, session: UUID, member: UUID, audience: str) -> Said:
        """Accept an utterance and walk its road in the background.

        Raises Refused when it was not accepted, Overloaded among them; DatabaseError when nobody
        knows.
        """
        self.typists.forget(member)
        try:
            self.admission.admit()
        except Overloaded:
            # A cry for help finds its way whatever else is going on.
            if not guardrails.check_input(say.text, None).escalate:
                raise
        self.admission.began()
        walking = False
        try:
            said, walking = await self._accepted(say, session, member, audience)
        finally:
            if not walking:
                self.admission.ended(None)
        return said

    async def _accepted(
        self, say: Say, session: UUID, member: UUID, audience: str
    ) -> tuple[Said, bool]:
        """What became of it, and whether its road is being walked from here on."""
        watch = Stopwatch()
        begun = Deadline.after_ms(settings.ENV.terminal_ms, patience=settings.ENV.patience)
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
                self._learn(member, redacted.pseudonyms if redacted else {})
                with watch.stage("deliver"):
                    await doorbell.ring(session, accepted.logged)
                text = redacted.text if redacted else ""
                heard = Heard(accepted.utterance, member, room, accepted, text)
                self._begin(heard, audience, watch, clause_by, begun, unread=redacted is None)
                return Said(accepted.utterance), True
            if accepted.known:
                if not accepted.same_text:
                    raise Refused("key_reuse", "This `client_msg_id` was used for other words.")
                await self._repeat(say, session, audience, accepted)
                return Said(accepted.utterance, accepted.outcome), False
        raise Refused("busy", "Too many are joining right now; say it again.")

    def forget_speaker(self, member: UUID) -> None:
        """Keep none of the words behind this member's placeholders."""
        self._speakers.pop(member, None)

    def cancel(self, member: UUID, reason: str, *, utterance: UUID | None = None) -> bool:
        """Stop this member's roads, or one of them; each still gets its terminal event."""
        stopped = False
        for key, walk in self.walks.items():
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

    def _learn(self, member: UUID, pseudonyms: Mapping[str, str]) -> None:
        """Keep the words behind a member's placeholders; of most people there are none."""
        if not pseudonyms:
            return
        speaker = self._speakers.setdefault(member, Speaker())
        speaker.learn(pseudonyms)
        self._speakers.move_to_end(member)
        while len(self._speakers) > 4 * ROOMS_KEPT:
            self._speakers.popitem(last=False)

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
        show = self._show(heard, audience, nudge, trace)
        road = self._unread() if unread else compose(
            heard, engines=self.engines, show=show, clause_by=clause_by, deadline=deadline,
            trace=trace,
        )  # fmt: skip
        walk = Walk(heard.member, asyncio.create_task(road))
        self.walks[heard.utterance] = walk
        metrics.ROADS.inc()
        self._keep(self._see_through(heard, audience, walk, trace, nudge, deadline))

    async def _unread(self) -> Outcome:
        return Failed("redaction_failed")

    def _show(
        self, heard: Heard, audience: str, nudge: UUID, trace: Trace
    ) -> Callable[[str, int], Any]:
        live = heard.state.mode == "auto"

        async def show(clause: str, offset: int) -> None:
            nonlocal live
            if offset == 0 and self.typists.busy(heard.member):
                # Not clause by clause while they write; whole, once they pause.
                live = False
            if not live:
                return
            trace.streamed = True
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
            if (
                isinstance(outcome, Nudge)
                # What they have begun to read is not taken back.
                and not trace.streamed
                and not await self.typists.paused(
                    heard.member, timeout_s=deadline.remaining_s() - WRITE_S
                )
            ):
                outcome = Silence("typing")
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
            await tell_facilitators(self.engines, ended.spoken)
        finally:
            self.walks.pop(heard.utterance, None)
            trace.watch.span.end()
            metrics.ROADS.dec()
            self.admission.ended(trace.own_ms())

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

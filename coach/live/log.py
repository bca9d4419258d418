"""The event log: every durable frame is a row first, numbered without gaps in its stream.

Each function is one statement, so it is one transaction and one round trip, and each may be
sent twice: what is already there is left as it is and read back.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from coach.database import Database
from coach.models import FACILITATORS

REPLAY_LIMIT = 256
RECENT_TURNS = 8
# A nudge is like none of so many before it.
UNLIKE_LAST = 6


@dataclass(frozen=True)
class Outgoing:
    """A frame for one audience, before it has a number."""

    audience: str
    type: str
    frame: Mapping[str, Any] = field(repr=False)

    @property
    def about(self) -> UUID | None:
        """The member who reads this frame, or whom it tells the facilitators of."""
        if self.audience != FACILITATORS:
            return UUID(self.audience)
        speaker = self.frame.get("speaker") or {}
        member = self.frame.get("member") or speaker.get("member")
        return UUID(str(member)) if member else None


@dataclass(frozen=True)
class Logged:
    """A frame as it stands in the log; `frame` carries `seq` and `epoch`."""

    audience: str
    seq: int
    frame: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Pace:
    """How often a member may speak: so many a second, and so many at once."""

    per_s: float
    burst: int


@dataclass(frozen=True)
class Accepted:
    """What the one accepting statement found and did.

    `fresh` is False when nothing was stored; if the `client_msg_id` was `known` before,
    `same_text` tells a retry from a reuse, and `outcome` is the terminal frame if there is one.
    `too_fast` says that this member spoke more often than they may, on all workers together.
    """

    utterance: UUID
    fresh: bool
    known: bool
    same_text: bool
    outcome: Mapping[str, Any] | None
    logged: tuple[Logged, ...]
    mode: str
    status: str
    killed: bool
    member_paused: bool
    snoozed: bool
    roster_version: int
    cooldown_s: float
    since_nudge_s: float | None
    recent_turns: tuple[str, ...] = field(repr=False)
    recent_passages: tuple[UUID, ...]
    too_fast: bool = False
    verbosity: str = "normal"
    recent_nudges: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Untold:
    """An utterance of which the facilitators were never told, its masked words, and its end."""

    utterance: UUID
    session: UUID
    member: UUID
    organisation: UUID
    text: str = field(repr=False)
    outcome: str
    reason: str


# Of somebody who was erased nothing is written any more, also by what was on its way meanwhile:
# whoever writes of a member locks their row first, as their erasure does.
THERE = "SELECT id FROM coach_member WHERE id = %(member)s AND removed_at IS NULL FOR KEY SHARE"

# What is `wanted` (audience, type, frame, ord) gets its numbers in its streams, as `numbered`.
# Streams are locked in the order of their ids, so that two writers never wait for each other.
_LOGGED = """
streams AS (
    SELECT id FROM coach_stream
    WHERE session_id = %(session)s AND audience IN (SELECT audience FROM wanted)
    ORDER BY id FOR UPDATE
), bumped AS (
    UPDATE coach_stream s SET seq = s.seq + n.frames
    FROM (SELECT audience, count(*) AS frames FROM wanted GROUP BY audience) n, streams
    WHERE s.id = streams.id AND s.audience = n.audience
    RETURNING s.id, s.audience, s.seq - n.frames AS base, s.epoch
), logged AS (
    INSERT INTO coach_event (stream_id, seq, type, frame)
    SELECT b.id, b.base + w.nth, w.type,
           w.frame || jsonb_build_object('type', w.type, 'seq', b.base + w.nth, 'epoch', b.epoch,
                                         'at', now())
    FROM bumped b JOIN (
        SELECT *, row_number() OVER (PARTITION BY audience ORDER BY ord) AS nth FROM wanted
    ) w USING (audience)
    RETURNING stream_id, seq, frame
), numbered AS (
    SELECT b.audience, l.seq, l.frame FROM logged l JOIN bumped b ON b.id = l.stream_id
    ORDER BY b.audience, l.seq
)"""


def logged_for(source: str) -> str:
    """The frames of `columns` are wanted where `source` has its row, and not at all where not."""
    return f"""wanted AS (
    SELECT a.* FROM {source},
        unnest(%(audiences)s::text[], %(types)s::text[], %(frames)s::jsonb[])
        WITH ORDINALITY AS a(audience, type, frame, ord)
), {_LOGGED}"""


APPEND = f"""
WITH there AS (
    SELECT id FROM coach_member WHERE id = ANY(%(about)s::uuid[]) AND removed_at IS NULL
    FOR KEY SHARE
), wanted AS (
    SELECT audience, type, frame, ord FROM unnest(
        %(audiences)s::text[], %(types)s::text[], %(frames)s::jsonb[], %(about)s::uuid[]
    ) WITH ORDINALITY AS a(audience, type, frame, about, ord)
    WHERE about IS NULL OR about IN (SELECT id FROM there)
), {_LOGGED}
SELECT audience, seq, frame FROM numbered
"""

ACCEPT = f"""
WITH room AS (
    SELECT s.id AS session_id, s.organisation_id, s.mode, s.status,
           s.killed OR o.killed AS killed, s.cooldown_s, s.roster_version, m.id AS member_id,
           m.paused, coalesce(m.snoozed_until > now(), false) AS snoozed, m.verbosity
    FROM coach_member m
    JOIN coach_session s ON s.id = m.session_id
    JOIN coach_organisation o ON o.id = s.organisation_id
    WHERE m.id = %(member)s AND s.id = %(session)s AND m.removed_at IS NULL
    FOR KEY SHARE OF m
), prior AS (
    SELECT u.id, u.digest, u.outcome, u.member_id FROM coach_utterance u
    WHERE u.session_id = %(session)s AND u.client_msg_id = %(client_msg_id)s
), due AS (
    SELECT room.* FROM room
    WHERE status = 'open' AND roster_version = %(roster_version)s
      AND NOT EXISTS (SELECT FROM prior)
), paced AS (
    INSERT INTO gateway_pace AS p (member_id, organisation_id, due_at)
    SELECT member_id, organisation_id, now() + make_interval(secs => %(step_s)s) FROM due
    ON CONFLICT (member_id) DO UPDATE
    SET due_at = greatest(p.due_at, now()) + make_interval(secs => %(step_s)s)
    WHERE p.due_at <= now() + make_interval(secs => %(slack_s)s)
    RETURNING member_id
), said AS (
    INSERT INTO coach_utterance
        (id, session_id, member_id, client_msg_id, digest, text, raw_text, characters, act,
         reason, told, lease_until)
    SELECT %(utterance)s, session_id, member_id, %(client_msg_id)s, %(digest)s, %(text)s,
           %(raw_text)s, %(characters)s, '', '', false, now() + make_interval(secs => %(lease_s)s)
    FROM due JOIN paced USING (member_id)
    ON CONFLICT (session_id, client_msg_id) DO NOTHING
    RETURNING id
), {logged_for("said")}, ended AS (
    SELECT e.frame || jsonb_build_object('epoch', s.epoch) AS frame FROM prior
    JOIN coach_stream s ON s.session_id = %(session)s AND s.audience = %(audience)s
    JOIN coach_event e ON e.stream_id = s.id AND e.type = prior.outcome
        AND e.frame ->> 'utterance' = prior.id::text
    WHERE prior.outcome IS NOT NULL
    ORDER BY e.seq LIMIT 1
)
SELECT (SELECT id FROM said), prior.id, prior.digest, prior.member_id = room.member_id,
       (SELECT frame FROM ended),
       coalesce((SELECT jsonb_agg(jsonb_build_array(audience, seq, frame)) FROM numbered), '[]'),
       room.mode, room.status, room.killed, room.paused, room.snoozed, room.roster_version,
       room.cooldown_s,
       (SELECT extract(epoch FROM now() - max(n.created_at)) FROM coach_nudge n
        WHERE n.member_id = room.member_id AND n.state = 'shown'),
       ARRAY(SELECT u.text FROM coach_utterance u WHERE u.member_id = room.member_id
             AND u.client_msg_id <> %(client_msg_id)s AND u.text <> ''
             ORDER BY u.accepted_at DESC LIMIT {RECENT_TURNS}),
       ARRAY(SELECT p FROM (
                 SELECT passages, created_at FROM coach_nudge n
                 WHERE n.member_id = room.member_id ORDER BY n.created_at DESC LIMIT {UNLIKE_LAST}
             ) r, unnest(r.passages) p),
       EXISTS (SELECT FROM due) AND NOT EXISTS (SELECT FROM paced),
       room.verbosity,
       ARRAY(SELECT n.text FROM coach_nudge n WHERE n.member_id = room.member_id
             ORDER BY n.created_at DESC LIMIT {UNLIKE_LAST})
FROM room LEFT JOIN prior ON true
"""

_SPEAKER_THERE = """
there AS (
    SELECT m.id FROM coach_member m JOIN coach_utterance u ON u.member_id = m.id
    WHERE u.id = %(utterance)s AND m.removed_at IS NULL FOR KEY SHARE OF m
)"""

FINISH = f"""
WITH {_SPEAKER_THERE}, won AS (
    UPDATE coach_utterance
    SET outcome = %(outcome)s, reason = %(reason)s, act = %(act)s, finished_at = now()
    WHERE id = %(utterance)s AND outcome IS NULL AND EXISTS (SELECT FROM there)
    RETURNING id, session_id, member_id
), nudged AS (
    INSERT INTO coach_nudge (id, session_id, member_id, utterance_id, text, citations, passages,
                             source, reason, state, trace, first_ms, total_ms)
    SELECT n.id, won.session_id, won.member_id, won.id, n.text, n.citations, n.passages,
           n.source, n.reason, n.state, n.trace, n.first_ms, n.total_ms
    FROM won, jsonb_to_record(%(nudge)s::jsonb) AS n(
        id uuid, text text, citations jsonb, passages uuid[], source text, reason text,
        state text, trace jsonb, first_ms double precision, total_ms double precision)
    WHERE n.id IS NOT NULL
), alerted AS (
    INSERT INTO coach_alert (id, session_id, member_id, utterance_id, kind)
    SELECT a.id, won.session_id, won.member_id, won.id, a.kind
    FROM won, jsonb_to_record(%(alert)s::jsonb) AS a(id uuid, kind text)
    WHERE a.id IS NOT NULL
), {logged_for("won")}
SELECT audience, seq, frame FROM numbered
"""

TELL = f"""
WITH {_SPEAKER_THERE}, told AS (
    UPDATE coach_utterance SET told = true
    WHERE id = %(utterance)s AND NOT told AND EXISTS (SELECT FROM there)
    RETURNING id
), {logged_for("told")}
SELECT audience, seq, frame FROM numbered
"""

GIVE = f"""
WITH there AS (
    {THERE}
), nudged AS (
    INSERT INTO coach_nudge (id, session_id, member_id, text, citations, passages, source, reason,
                             state, trace)
    SELECT n.id, %(session)s, n.member_id, n.text, n.citations, n.passages, n.source, n.reason,
           n.state, n.trace
    FROM jsonb_to_record(%(nudge)s::jsonb) AS n(
        id uuid, member_id uuid, text text, citations jsonb, passages uuid[], source text,
        reason text, state text, trace jsonb)
    JOIN there ON there.id = n.member_id
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), {logged_for("nudged")}
SELECT audience, seq, frame FROM numbered
"""

# A frame keeps the epoch in which it was written; a reader is told the one that it belongs to now.
REPLAY = f"""
SELECT s.epoch, s.seq, kept.first, e.seq, e.frame || jsonb_build_object('epoch', s.epoch)
FROM coach_stream s CROSS JOIN LATERAL (
    SELECT coalesce(min(seq), s.seq + 1) AS first FROM coach_event WHERE stream_id = s.id
) kept LEFT JOIN LATERAL (
    SELECT seq, frame FROM coach_event
    WHERE stream_id = s.id AND seq > %(after)s ORDER BY seq LIMIT {REPLAY_LIMIT}
) e ON true
WHERE s.session_id = %(session)s AND s.audience = %(audience)s
ORDER BY e.seq
"""

ORPHANS = """
SELECT u.id, u.session_id, u.member_id, u.client_msg_id, u.organisation_id
FROM coach_utterance u
WHERE u.outcome IS NULL AND u.lease_until < now() ORDER BY u.lease_until LIMIT 100
"""

# Whoever takes one has it for as long as a road: two workers do not disclose the same words.
UNTOLD = """
UPDATE coach_utterance SET lease_until = now() + make_interval(secs => %(lease_s)s)
WHERE id IN (
    SELECT id FROM coach_utterance
    WHERE NOT told AND outcome IS NOT NULL AND lease_until < now()
    ORDER BY lease_until LIMIT 20 FOR UPDATE SKIP LOCKED
)
RETURNING id, session_id, member_id, organisation_id, text, outcome, reason
"""

HEADS = """
SELECT s.session_id, s.audience, s.seq FROM coach_stream s
JOIN unnest(%(sessions)s::uuid[], %(audiences)s::text[]) AS w(session_id, audience)
  USING (session_id, audience)
"""


@dataclass(frozen=True)
class Place:
    """Where in which history a reader was."""

    epoch: UUID
    seq: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """From `epoch.seq`; None for anything else, which is read as no place at all."""
        epoch, _, seq = text.partition(".")
        try:
            return cls(UUID(epoch), min(int(seq), 2**62)) if seq.isdecimal() else None
        except ValueError:
            return None


@dataclass(frozen=True)
class History:
    """A stretch of one stream; `events` are at most REPLAY_LIMIT.

    `seq` is the newest number, `first` the oldest that is still kept: `seq + 1` when none is.
    """

    epoch: UUID
    seq: int
    first: int
    events: tuple[Mapping[str, Any], ...] = field(repr=False)

    def goes_on(self, after: int) -> bool:
        """Whether nothing is missing for somebody who has read up to `after`."""
        return self.first <= after + 1 <= self.seq + 1

    def resync(self) -> dict[str, Any]:
        """The frame that tells a reader to forget what they have, and to read what is kept."""
        place = {"epoch": str(self.epoch), "seq": self.seq, "first": self.first}
        return {"type": "resync", **place}


class EventLog:
    """`lease_s` after it was accepted an utterance without an outcome is nobody's any more: its
    worker died. It must be longer than any road.
    """

    def __init__(self, database: Database, *, lease_s: float) -> None:
        self._database, self._lease_s = database, lease_s

    async def append(
        self, session: UUID, outgoing: Sequence[Outgoing], *, timeout_s: float
    ) -> tuple[Logged, ...]:
        """Write frames that belong to no utterance's outcome, but none of who was erased."""
        about = [frame.about for frame in outgoing]
        rows = await self._database.fetch(
            APPEND,
            {"session": session, "about": about, **columns(outgoing)},
            timeout_s=timeout_s,
        )
        return tuple(Logged(*row) for row in rows)

    async def accept(
        self,
        *,
        session: UUID,
        member: UUID,
        audience: str,
        utterance: UUID,
        client_msg_id: UUID,
        digest: bytes,
        text: str,
        raw_text: str | None,
        characters: int,
        roster_version: int,
        pace: Pace,
        timeout_s: float,
    ) -> Accepted | None:
        """Store an utterance with its acknowledgement; None when the member is not there.

        Nothing is stored, and `fresh` is False without a prior one, when the session is over, its
        roster is newer than the one that this text was redacted with, or the member is too fast.
        """
        ack = {"client_msg_id": str(client_msg_id), "utterance": str(utterance)}
        spoken = {"utterance": str(utterance), "text": text, "speaker": {"member": str(member)}}
        outgoing = [
            Outgoing(audience, "ack", ack),
            Outgoing(audience, "utterance", spoken),
        ]
        rows = await self._database.fetch(
            ACCEPT,
            {
                "session": session,
                "member": member,
                "audience": audience,
                "utterance": utterance,
                "client_msg_id": client_msg_id,
                "digest": digest,
                "text": text,
                "raw_text": raw_text,
                "lease_s": self._lease_s,
                "characters": characters,
                "roster_version": roster_version,
                "step_s": 1 / pace.per_s,
                "slack_s": (pace.burst - 1) / pace.per_s,
                **columns(outgoing),
            },
            timeout_s=timeout_s,
        )
        return _accepted(rows[0], utterance, digest) if rows else None

    async def finish(
        self,
        *,
        session: UUID,
        utterance: UUID,
        outcome: str,
        reason: str,
        act: str,
        outgoing: Sequence[Outgoing],
        nudge: Mapping[str, Any] | None = None,
        alert: Mapping[str, Any] | None = None,
        timeout_s: float,
    ) -> tuple[Logged, ...]:
        """Give an utterance its one terminal event; () when it has one, or its speaker is gone."""
        rows = await self._database.fetch(
            FINISH,
            {
                "session": session,
                "utterance": utterance,
                "outcome": outcome,
                "reason": reason,
                "act": act,
                "nudge": json.dumps(nudge or {}),
                "alert": json.dumps(alert or {}),
                **columns(outgoing),
            },
            timeout_s=timeout_s,
        )
        return tuple(Logged(*row) for row in rows)

    async def tell(
        self, session: UUID, utterance: UUID, outgoing: Outgoing, *, timeout_s: float
    ) -> tuple[Logged, ...]:
        """Tell the facilitators of an utterance; () when they know, or its speaker is gone."""
        rows = await self._database.fetch(
            TELL,
            {"session": session, "utterance": utterance, **columns([outgoing])},
            timeout_s=timeout_s,
        )
        return tuple(Logged(*row) for row in rows)

    async def give(
        self,
        session: UUID,
        nudge: Mapping[str, Any],
        outgoing: Sequence[Outgoing],
        *,
        timeout_s: float,
    ) -> tuple[Logged, ...]:
        """Store a nudge that answers no utterance, with its frames; () for who was erased."""
        rows = await self._database.fetch(
            GIVE,
            {
                "session": session,
                "member": nudge["member_id"],
                "nudge": json.dumps(nudge),
                **columns(outgoing),
            },
            timeout_s=timeout_s,
        )
        return tuple(Logged(*row) for row in rows)

    async def replay(
        self, session: UUID, audience: str, *, after: int, timeout_s: float
    ) -> History | None:
        """What this audience has missed, oldest first; None when there is no such stream."""
        rows = await self._database.fetch(
            REPLAY,
            {"session": session, "audience": audience, "after": after},
            timeout_s=timeout_s,
        )
        if not rows:
            return None
        epoch, newest, first, *_ = rows[0]
        events = tuple(frame for *_, seq, frame in rows if seq is not None)
        return History(epoch, newest, first, events)

    async def heads(
        self, wanted: Sequence[tuple[UUID, str]], *, timeout_s: float
    ) -> dict[tuple[UUID, str], int]:
        """The newest number of each of these streams."""
        rows = await self._database.fetch(
            HEADS,
            {"sessions": [s for s, _ in wanted], "audiences": [a for _, a in wanted]},
            timeout_s=timeout_s,
        )
        return {(session, audience): seq for session, audience, seq in rows}

    async def orphans(self, *, timeout_s: float) -> list[tuple[UUID, UUID, UUID, UUID, UUID]]:
        """Utterances whose worker died: (utterance, session, member, client_msg_id, whose)."""
        rows = await self._database.fetch(ORPHANS, {}, timeout_s=timeout_s)
        return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    async def untold(self, *, timeout_s: float) -> list[Untold]:
        """Utterances that have ended, of which nobody told the facilitators; each for one asker."""
        rows = await self._database.fetch(UNTOLD, {"lease_s": self._lease_s}, timeout_s=timeout_s)
        return [Untold(*row) for row in rows]


def digest_of(text: str, *, key: bytes) -> bytes:
    """What tells one text from another without keeping it; keyed, so that it cannot be guessed."""
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def columns(outgoing: Sequence[Outgoing]) -> dict[str, list[str]]:
    """The parameters that a statement unnests into what is `wanted`."""
    return {
        "audiences": [o.audience for o in outgoing],
        "types": [o.type for o in outgoing],
        "frames": [json.dumps(o.frame) for o in outgoing],
    }


def _accepted(row: tuple[Any, ...], utterance: UUID, digest: bytes) -> Accepted:
    said, prior, prior_digest, own, outcome, logged = row[:6]
    # Our own id as the prior one: the statement was sent twice, and the first one had arrived.
    fresh = said is not None or prior == utterance
    return Accepted(
        utterance=utterance if fresh or prior is None else prior,
        fresh=fresh,
        known=prior is not None,
        same_text=prior is not None and own and bytes(prior_digest) == digest,
        outcome=outcome,
        logged=tuple(Logged(*entry) for entry in logged),
        mode=row[6],
        status=row[7],
        killed=row[8],
        member_paused=row[9],
        snoozed=row[10],
        roster_version=row[11],
        cooldown_s=float(row[12]),
        since_nudge_s=None if row[13] is None else float(row[13]),
        recent_turns=tuple(reversed(row[14])),
        recent_passages=tuple(row[15]),
        too_fast=row[16],
        verbosity=row[17],
        recent_nudges=tuple(row[18]),
    )

"""What a member makes of a nudge."""

from uuid import UUID, uuid4

from coach.errors import Refused
from coach.live import doorbell
from coach.live.deadline import Deadline
from coach.live.frames import Judge
from coach.live.hub import Hub
from coach.live.log import THERE, Logged, Outgoing, columns, logged_for
from coach.models import FACILITATORS
from coach.ops import metrics
from safety.errors import RedactionFailed

WRITE_S = 1.0
SNOOZE_MINUTES = 10

# The verdict, what follows from it, and who is told of it: one statement, none without the others.
RECORD = f"""
WITH there AS (
    {THERE}
), nudge AS (
    SELECT n.id, n.session_id, n.member_id FROM coach_nudge n JOIN there ON there.id = n.member_id
    WHERE n.id = %(nudge)s AND n.session_id = %(session)s AND n.state = 'shown'
), written AS (
    INSERT INTO coach_feedback (nudge_id, member_id, verdict, text, at)
    SELECT id, member_id, %(verdict)s, %(text)s, now() FROM nudge
), snoozed AS (
    UPDATE coach_member SET snoozed_until = now() + interval '{SNOOZE_MINUTES} minutes'
    WHERE id = %(member)s AND %(verdict)s = 'snoozed' AND EXISTS (SELECT FROM nudge)
), alerted AS (
    INSERT INTO coach_alert (id, session_id, member_id, kind)
    SELECT %(alert)s, session_id, member_id, 'unsafe_nudge'
    FROM nudge WHERE %(verdict)s = 'unsafe'
), {logged_for("nudge")}
SELECT audience, seq, frame FROM numbered
"""


async def record(hub: Hub, session: UUID, member: UUID, judge: Judge) -> None:
    """Keep a verdict on one's own nudge, and let the facilitators know.

    Raises Refused for a nudge that is not this member's, DatabaseError.
    """
    text = await _masked(hub, session, judge) if judge.text else ""
    alert = uuid4()
    seen = {"nudge": str(judge.nudge), "member": str(member), "verdict": judge.verdict}
    outgoing = [
        Outgoing(str(member), "nudge.feedback", {**seen, "text": text}),
        Outgoing(FACILITATORS, "nudge.feedback", seen),
    ]
    if judge.verdict == "unsafe":
        frame = {"alert": str(alert), "kind": "unsafe_nudge", **seen}
        outgoing.append(Outgoing(FACILITATORS, "alert", frame))
    rows = await hub.engines.database.fetch(
        RECORD,
        {
            "session": session,
            "nudge": judge.nudge,
            "member": member,
            "verdict": judge.verdict,
            "text": text,
            "alert": alert,
            **columns(outgoing),
        },
        timeout_s=WRITE_S,
    )
    if not rows:
        raise Refused("not_found", "There is no such nudge of yours.")
    metrics.FEEDBACK.labels(judge.verdict).inc()
    if judge.verdict == "unsafe":
        metrics.ALERTS.labels("unsafe_nudge").inc()
    await doorbell.ring(session, tuple(Logged(*row) for row in rows))


async def _masked(hub: Hub, session: UUID, judge: Judge) -> str:
    """The edited words, redacted like speech; when that fails the verdict is kept without them."""
    room = await hub.room(session)
    if room is None:
        raise Refused("not_found", "There is no such nudge of yours.")
    try:
        return (await hub.engines.redact(judge.text, room, Deadline.after_ms(1000))).text
    except RedactionFailed:
        return ""

"""What a member makes of a nudge."""

from uuid import UUID

from coach.errors import Refused
from coach.live import doorbell
from coach.live.deadline import Deadline
from coach.live.frames import Judge
from coach.live.hub import Hub
from coach.live.log import Outgoing
from coach.models import FACILITATORS
from coach.ops import metrics
from safety.errors import RedactionFailed

WRITE_S = 1.0
SNOOZE_MINUTES = 10

RECORD = f"""
WITH nudge AS (
    SELECT n.id, n.session_id, n.member_id FROM coach_nudge n
    WHERE n.id = %(nudge)s AND n.member_id = %(member)s AND n.state = 'shown'
), written AS (
    INSERT INTO coach_feedback (nudge_id, member_id, verdict, text, at)
    SELECT id, member_id, %(verdict)s, %(text)s, now() FROM nudge RETURNING id
), snoozed AS (
    UPDATE coach_member SET snoozed_until = now() + interval '{SNOOZE_MINUTES} minutes'
    WHERE id = %(member)s AND %(verdict)s = 'snoozed' AND EXISTS (SELECT 1 FROM nudge)
), alerted AS (
    INSERT INTO coach_alert (id, session_id, member_id, kind)
    SELECT gen_random_uuid(), session_id, member_id, 'unsafe_nudge'
    FROM nudge WHERE %(verdict)s = 'unsafe' RETURNING id
)
SELECT nudge.session_id, (SELECT id FROM alerted) FROM nudge
"""


async def record(hub: Hub, member: UUID, judge: Judge) -> None:
    """Keep a verdict on one's own nudge, and let the facilitators know.

    Raises Refused for a nudge that is not this member's, DatabaseError.
    """
    text = ""
    if judge.text:
        text = await _masked(hub, member, judge)
    rows = await hub.engines.database.fetch(
        RECORD,
        {"nudge": judge.nudge, "member": member, "verdict": judge.verdict, "text": text},
        timeout_s=WRITE_S,
    )
    if not rows:
        raise Refused("not_found", "There is no such nudge of yours.")
    session, alert = rows[0]
    metrics.FEEDBACK.labels(judge.verdict).inc()
    seen = {"nudge": str(judge.nudge), "member": str(member), "verdict": judge.verdict}
    outgoing = [
        Outgoing(str(member), "nudge.feedback", {**seen, "text": text}),
        Outgoing(FACILITATORS, "nudge.feedback", seen),
    ]
    if alert is not None:
        metrics.ALERTS.labels("unsafe_nudge").inc()
        outgoing.append(
            Outgoing(FACILITATORS, "alert", {"alert": str(alert), "kind": "unsafe_nudge", **seen})
        )
    await doorbell.ring(session, await hub.engines.log.append(session, outgoing, timeout_s=WRITE_S))


async def _masked(hub: Hub, member: UUID, judge: Judge) -> str:
    """The edited words, redacted like speech; when that fails the verdict is kept without them."""
    rows = await hub.engines.database.fetch(
        "SELECT session_id FROM coach_member WHERE id = %s", [member], timeout_s=WRITE_S
    )
    room = await hub.room(rows[0][0]) if rows else None
    if room is None:
        raise Refused("not_found", "There is no such nudge of yours.")
    try:
        return (await hub.engines.redact(judge.text, room, Deadline.after_ms(1000))).text
    except RedactionFailed:
        return ""

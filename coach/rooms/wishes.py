"""How many nudges a member wants, for themselves alone."""

from datetime import datetime
from uuid import UUID

from coach.errors import Refused
from coach.live import doorbell
from coach.live.frames import Prefer
from coach.live.hub import Hub
from coach.live.log import Outgoing

WRITE_S = 1.0

WISH = """
UPDATE coach_member SET
    verbosity = coalesce(%(verbosity)s, verbosity),
    snoozed_until = CASE
        WHEN %(minutes)s::int IS NULL THEN snoozed_until
        WHEN %(minutes)s::int = 0 THEN NULL
        ELSE now() + make_interval(mins => %(minutes)s::int) END
WHERE id = %(member)s AND session_id = %(session)s AND removed_at IS NULL
RETURNING verbosity, snoozed_until
"""


async def prefer(hub: Hub, session: UUID, member: UUID, wish: Prefer) -> dict[str, str | None]:
    """Keep a member's wishes and tell every device of theirs; what holds now.

    Raises Refused and DatabaseError.
    """
    rows = await hub.engines.database.fetch(
        WISH,
        {
            "verbosity": wish.verbosity,
            "minutes": wish.snooze_minutes,
            "member": member,
            "session": session,
        },
        timeout_s=WRITE_S,
    )
    if not rows:
        raise Refused("not_found", "You are not in this session.")
    verbosity: str = rows[0][0]
    until: datetime | None = rows[0][1]
    frame = {"verbosity": verbosity, "snoozed_until": until.isoformat() if until else None}
    outgoing = [Outgoing(str(member), "wishes.changed", frame)]
    await doorbell.ring(session, await hub.engines.log.append(session, outgoing, timeout_s=WRITE_S))
    return frame

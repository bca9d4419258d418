"""What a facilitator may do to a running session, and telling everyone what changed."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from coach.database import beside
from coach.errors import Refused
from coach.live import doorbell
from coach.live.frames import Control
from coach.live.hub import Hub
from coach.live.log import THERE, Outgoing
from coach.live.room import Room
from coach.models import FACILITATORS, Member
from consent.models import Record
from consent.registry import Field, Purpose
from safety import gate

# Somebody waits for it who would only ask again.
WRITE_S = 3.0


async def apply(hub: Hub, session: UUID, member: UUID, role: str, control: Control) -> None:
    """Carry out one action of a facilitator's. Raises Refused and DatabaseError."""
    if role != Member.Role.FACILITATOR:
        raise Refused("forbidden", "Only the session's facilitator may do this.")
    match control.action:
        case "mode":
            await _set_session(hub, session, mode=control.mode)
        case "pause" | "resume":
            paused = control.action == "pause"
            if control.member is None:
                await _set_session(hub, session, mode="paused" if paused else "auto")
            else:
                await _pause_member(hub, session, control.member, paused)
        case "kill" | "unkill":
            await _set_session(hub, session, killed=control.action == "kill")
        case "start" | "end":
            await _set_session(
                hub, session, status="open" if control.action == "start" else "ended"
            )
        case "phase":
            await _set_session(hub, session, phase=control.phase)
        case "release" | "edit" | "hold":
            await _decide(hub, session, control)
        case "send":
            await _send_card(hub, session, control)


async def tell_presence(hub: Hub, session: UUID, member: UUID) -> None:
    """Let the facilitators see who is here; nobody misses it later, so it is not kept."""
    room = await hub.room(session)
    if room is not None and (seat := await describe_member(hub, room, member)):
        await doorbell.pass_on(session, FACILITATORS, {"type": "member.changed", **seat})


async def tell_consent(hub: Hub, session: UUID, member: UUID, *, withdrawn: bool) -> None:
    """A member's choices changed: stop what they no longer allow, and tell both sides."""
    if withdrawn:
        await doorbell.order("stop.roads", session, member=str(member), reason="consent_changed")
        await hub.engines.kept.forget(member, timeout_s=WRITE_S)
        await hub.engines.database.fetch(
            "DELETE FROM reports_report WHERE member_id = %(member)s OR %(member)s = ANY(subjects)",
            {"member": member},
            timeout_s=WRITE_S,
        )
    room = await hub.room(session, fresh=True)
    if room is None or (seat := await describe_member(hub, room, member)) is None:
        return
    await _publish(
        hub,
        session,
        [
            Outgoing(str(member), "consent.changed", {"consent": seat["allows"]}),
            Outgoing(FACILITATORS, "member.changed", seat),
        ],
    )


async def tell_roster(hub: Hub, session: UUID, member: UUID) -> None:
    """Somebody joined: their name is masked from now on, and the console shows them."""
    await doorbell.order("room.changed", session)
    room = await hub.room(session, fresh=True)
    if room is not None and (seat := await describe_member(hub, room, member)):
        await _publish(hub, session, [Outgoing(FACILITATORS, "member.changed", seat)])


async def tell_erased(hub: Hub, session: UUID) -> None:
    """Somebody's frames were emptied: whoever still shows them reads the stream anew."""
    await doorbell.order("room.changed", session)
    history = await hub.engines.log.replay(session, FACILITATORS, after=2**62, timeout_s=WRITE_S)
    if history is not None:
        await doorbell.pass_on(session, FACILITATORS, history.resync())


async def describe_member(hub: Hub, room: Room, member: UUID) -> dict[str, Any] | None:
    """A member as facilitators may see them: by name only if they allow that."""
    seat = room.seat(member)
    if seat is None:
        return None

    def grants() -> dict[str, list[str]]:
        return Record.objects.live().filter(subject=member).by_purpose()

    allows = await beside(grants)
    named = Field.DISPLAY_NAME in allows.get(Purpose.FACILITATOR_VIEW, [])
    facilitates = seat.role == Member.Role.FACILITATOR
    # Whether feelings may be read is between the person and their own nudges.
    allows.pop(Purpose.EMOTION_SIGNALS, None)
    return {
        "member": str(member),
        "name": seat.name if named or facilitates else room.neutral_name(member),
        "number": seat.number,
        "named": named or facilitates,
        "role": seat.role,
        "paused": seat.paused,
        "allows": allows,
        "connected": hub.is_connected(member),
    }


async def _publish(hub: Hub, session: UUID, outgoing: Sequence[Outgoing]) -> None:
    logged = await hub.engines.log.append(session, outgoing, timeout_s=WRITE_S)
    await doorbell.ring(session, logged)


SET_SESSION = """
UPDATE coach_session SET
    mode = coalesce(%(mode)s, mode),
    killed = coalesce(%(killed)s, killed),
    phase = coalesce(%(phase)s, phase),
    status = coalesce(%(status)s, status),
    ended_at = CASE %(status)s WHEN 'ended' THEN now() WHEN 'open' THEN NULL ELSE ended_at END
WHERE id = %(session)s
"""


async def _set_session(
    hub: Hub,
    session: UUID,
    *,
    mode: str | None = None,
    killed: bool | None = None,
    status: str | None = None,
    phase: str | None = None,
) -> None:
    await hub.engines.database.fetch(
        SET_SESSION,
        {"session": session, "mode": mode, "killed": killed, "status": status, "phase": phase},
        timeout_s=WRITE_S,
    )
    await _tell_control(hub, session, stop=bool(killed) or mode == "paused" or status == "ended")


async def _pause_member(hub: Hub, session: UUID, member: UUID, paused: bool) -> None:
    rows = await hub.engines.database.fetch(
        "UPDATE coach_member SET paused = %s WHERE id = %s AND session_id = %s RETURNING id",
        [paused, member, session],
        timeout_s=WRITE_S,
    )
    if not rows:
        raise Refused("not_found", "There is no such member in this session.")
    await _tell_control(hub, session, stop=paused, only=member)


async def _tell_control(hub: Hub, session: UUID, *, stop: bool, only: UUID | None = None) -> None:
    """Everyone learns the new state; what runs against it stops."""
    await doorbell.order("room.changed", session)
    room = await hub.room(session, fresh=True)
    if room is None:
        return
    frame = {
        "mode": room.mode,
        "status": room.status,
        "killed": room.killed,
        "phase": room.phase,
        "paused": [str(seat.member) for seat in room.seats if seat.paused],
    }
    people = [seat for seat in room.seats if seat.role == Member.Role.PARTICIPANT]
    if stop:
        for seat in people:
            if only in (None, seat.member):
                await doorbell.order(
                    "stop.roads", session, member=str(seat.member), reason="paused"
                )
    # Who else is paused is nobody's business but the facilitators'.
    own = [
        (str(seat.member), {**frame, "paused": [str(seat.member)] if seat.paused else []})
        for seat in people
    ]
    await _publish(
        hub,
        session,
        [Outgoing(to, "control.changed", seen) for to, seen in [(FACILITATORS, frame), *own]],
    )


# Whoever decides first decides: the state is checked by the statement that changes it.
DECIDE = """
UPDATE coach_nudge SET state = %(state)s, text = coalesce(%(text)s, text)
WHERE id = %(nudge)s AND session_id = %(session)s AND state = 'held'
  AND (%(state)s = 'dropped' OR created_at + make_interval(secs => expires_s) > now())
RETURNING member_id, utterance_id, text, citations, source, reason
"""


async def _decide(hub: Hub, session: UUID, control: Control) -> None:
    edited = control.text if control.action == "edit" else None
    if edited is not None and (reason := gate.check(edited)) is not None:
        raise Refused("gate", f"This text may not be shown: {reason}.")
    rows = await hub.engines.database.fetch(
        DECIDE,
        {
            "state": "dropped" if control.action == "hold" else "shown",
            "text": edited,
            "nudge": control.nudge,
            "session": session,
        },
        timeout_s=WRITE_S,
    )
    if not rows:
        raise Refused("not_found", "No nudge with this id waits for release any more.")
    member, utterance, text, citations, source, reason = rows[0]
    frame = {
        "nudge": str(control.nudge),
        "member": str(member),
        "about": str(utterance) if utterance else None,
        "utterance": None,
        "text": text,
        "citations": citations,
        "source": "facilitator" if edited is not None else source,
        "reason": reason,
    }
    if control.action == "hold":
        await _publish(hub, session, [Outgoing(FACILITATORS, "nudge.dropped", frame)])
        return
    await _publish(
        hub, session, [Outgoing(a, "nudge.done", frame) for a in (str(member), FACILITATORS)]
    )


PASSAGE = """
SELECT p.id, p.title, p.text, v.number FROM rag_passage p
JOIN rag_playbookversion v ON v.id = p.version_id
JOIN coach_session s ON s.playbook_id = v.playbook_id
WHERE p.id = %s AND s.id = %s
"""

SEND = f"""
WITH there AS ({THERE})
INSERT INTO coach_nudge (id, session_id, member_id, text, citations, passages, source, reason,
                         state, trace)
SELECT %(nudge)s, %(session)s, id, %(text)s, %(citations)s, %(passages)s, 'facilitator',
       '', 'shown', '{{}}'
FROM there
ON CONFLICT (id) DO NOTHING
"""


async def _send_card(hub: Hub, session: UUID, control: Control) -> None:
    """A card by hand, to one member or to everyone taking part; it passes the same gate."""
    text, citations, passages = control.text, [], []
    if control.passage is not None:
        rows = await hub.engines.database.fetch(
            PASSAGE, [control.passage, session], timeout_s=WRITE_S
        )
        if not rows:
            raise Refused("not_found", "There is no such passage in this playbook.")
        passage, title, body, version = rows[0]
        text = text or body
        passages = [passage]
        citations = [{"passage": str(passage), "title": title, "version": version, "quote": body}]
    if (reason := gate.check(text, passages=[c["quote"] for c in citations])) is not None:
        raise Refused("gate", f"This text may not be shown: {reason}.")
    room = await hub.room(session, fresh=True)
    people = [s.member for s in room.seats if s.role == Member.Role.PARTICIPANT] if room else []
    receivers = [m for m in people if control.member in (None, m)]
    if not receivers:
        raise Refused("not_found", "There is nobody to send it to.")
    for member in receivers:
        nudge = uuid4()
        await hub.engines.database.fetch(
            SEND,
            {
                "nudge": nudge,
                "session": session,
                "member": member,
                "text": text,
                "citations": json.dumps(citations),
                "passages": passages,
            },
            timeout_s=WRITE_S,
        )
        frame = {
            "nudge": str(nudge),
            "member": str(member),
            "utterance": None,
            "text": text,
            "citations": citations,
            "source": "facilitator",
            "reason": "",
        }
        await _publish(
            hub, session, [Outgoing(a, "nudge.done", frame) for a in (str(member), FACILITATORS)]
        )

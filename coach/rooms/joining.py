"""Coming into a session, by code as a participant or by right as its facilitator."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max

from coach import tenancy
from coach.models import FACILITATORS, Member, Session, Stream
from coach.rooms.access import Caller, issue_token
from coach.rooms.rights import receipt
from consent import choices
from consent.models import Notice


class CannotJoin(Exception):
    """The code is unknown, or its session is over; which of the two is not told."""


@dataclass(frozen=True)
class Joined:
    member: Member
    token: str
    receipt: dict[str, Any]


def join(
    code: str,
    *,
    display_name: str,
    consent: Mapping[str, Iterable[str]],
    goal: str = "",
    profile_note: str = "",
    notice: Notice | None = None,
    language: str = "",
) -> Joined:
    """A new participant with exactly these choices. Raises CannotJoin, NotAllowed, NoticeChanged.

    From here on this request acts for the session's organisation.
    """
    session = open_session(code)
    if session is None:
        raise CannotJoin
    tenancy.enter(tenancy.of([session.organisation_id], actor="joining"))
    member = Member(role=Member.Role.PARTICIPANT, display_name=display_name, language=language)
    with transaction.atomic(), transaction.atomic(using="vault"):
        choices.admit(
            member.id,
            organisation_id=session.organisation_id,
            session_id=session.id,
            values={
                "display_name": display_name,
                "role": member.role,
                "goal": goal,
                "profile_note": profile_note,
            },
        )
        choices.grant(member.id, consent, notice=notice, how="joining")
        # Last, because the others who come in wait for it.
        locked = _locked(session)
        if locked.status != Session.Status.OPEN:
            raise CannotJoin
        _seat(member, locked)
    return Joined(member, issue_token(member=member), receipt(member, "consent"))


def open_session(code: str) -> Session | None:
    """The open session that this code leads to; whoever has the code may know of it."""
    with tenancy.acting(tenancy.everywhere("join-code")):
        return Session.objects.filter(
            join_code=code.strip().upper(), status=Session.Status.OPEN
        ).first()


def membership(caller: Caller, session_id: UUID, *, prefer: str = "") -> Member | None:
    """This caller's place in this session, made for a facilitator who opens it; None if foreign.

    Somebody who is both (a facilitator trying the phone's view) is who `prefer` says.
    """
    joined = (caller.members or {}).get(session_id)
    if joined is not None and prefer != Member.Role.FACILITATOR:
        member = (
            Member.objects.select_related("session")
            .filter(id=joined, session_id=session_id, removed_at__isnull=True)
            .first()
        )
        if member is not None:
            return member
    if caller.user is None or prefer == Member.Role.PARTICIPANT:
        return None
    session = Session.objects.facilitated_by(caller.user).filter(id=session_id).first()
    if session is None:
        return None
    return seat_facilitator(session, caller.user)


def seat_facilitator(session: Session, user: Any) -> Member:
    """This log-in's place in the session, made on first use. Raises CannotJoin."""
    own = Member.objects.filter(
        session=session, user=user, role=Member.Role.FACILITATOR, removed_at__isnull=True
    )
    seated = own.first()
    if seated is None:
        with transaction.atomic():
            locked = _locked(session)
            seated = own.first()
            if seated is None:
                name = user.get_full_name() or user.get_username()
                seated = Member(user=user, role=Member.Role.FACILITATOR, display_name=name)
                _seat(seated, locked)
    seated.session = session
    return seated


def _locked(session: Session) -> Session:
    """The session while its seats are counted: whoever else comes in waits for their turn."""
    found = Session.objects.select_for_update(no_key=True).filter(id=session.id).first()
    if found is None:
        raise CannotJoin
    return found


def _seat(member: Member, session: Session) -> None:
    """Give somebody the next number in the session, and what they will read."""
    last = session.members.aggregate(last=Max("number"))["last"] or 0
    member.session, member.organisation_id = session, session.organisation_id
    member.number = last + 1
    member.save(force_insert=True)
    for audience in {member.audience, FACILITATORS}:
        Stream.objects.get_or_create(
            session=session,
            audience=audience,
            defaults={"organisation_id": session.organisation_id},
        )
    Session.objects.filter(id=session.id).update(roster_version=F("roster_version") + 1)

"""Who someone is in a session: by bearer token, or by the cookie of the browser they use."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from coach import tenancy
from coach.models import AccessToken, Member, Staff

TOKEN_DAYS = 1
MEMBERS_KEY = "members"


@dataclass(frozen=True)
class Caller:
    """Whoever makes a request: a log-in, memberships proven by this browser, or both.

    `members` maps session ids to member ids.
    """

    user: Any = None
    members: Mapping[UUID, UUID] | None = None

    @property
    def is_authenticated(self) -> bool:
        return self.user is not None or bool(self.members)

    @property
    def pk(self) -> Any:
        return getattr(self.user, "pk", None)

    @property
    def actor(self) -> str:
        """How the audit names them."""
        if self.user is not None:
            return f"user:{self.pk}"
        return f"member:{next(iter(self.members.values()))}" if self.members else ""


@dataclass(frozen=True)
class Rights:
    """What a line stays open by: the seat, the log-in, the browser's session, the password."""

    member: UUID
    user: int | None
    key: str | None
    stamp: str

    @property
    def who(self) -> str:
        """Whose lines are counted together."""
        return f"user {self.user}" if self.user is not None else f"member {self.member}"


def rights_of(caller: Caller, member: Member, key: str | None) -> Rights:
    """The rights this caller has now as this member; `key` is their browser's session."""
    stamp = ""
    if caller.user is not None:
        # Of the stored hash, and only to tell whether it is still the same one.
        stamp = hashlib.md5(caller.user.password.encode(), usedforsecurity=False).hexdigest()
    return Rights(member.id, caller.pk, key, stamp)


def issue_token(*, member: Member | None = None, user: User | None = None) -> str:
    """A fresh bearer token, shown once; the database keeps its digest.

    It opens the one organisation that is acted for.
    """
    token = f"sc_{secrets.token_urlsafe(32)}"
    AccessToken.objects.create(
        digest=_digest(token),
        member=member,
        user=user,
        expires_at=timezone.now() + timedelta(days=TOKEN_DAYS),
    )
    return token


def caller_by_token(token: str) -> Caller | None:
    """The caller this token stands for; None when it is unknown, expired or its owner is gone.

    From here on this request acts for the token's organisation.
    """
    # Whose token this is can only be known by looking.
    with tenancy.acting(tenancy.everywhere("sign-in")):
        found = (
            AccessToken.objects.select_related("member", "user")
            .filter(digest=_digest(token), expires_at__gt=timezone.now())
            .first()
        )
    if found is None:
        return None
    caller = _caller_of(found)
    if caller is not None:
        tenancy.enter(tenancy.of([found.organisation_id], actor=caller.actor))
    return caller


def _caller_of(token: AccessToken) -> Caller | None:
    if token.user is not None:
        return Caller(user=token.user) if token.user.is_active else None
    member = token.member
    if member is None or member.removed_at is not None:
        return None
    return Caller(members={member.session_id: member.id})


def caller_by_cookie(user: Any, browser: Mapping[str, Any]) -> Caller | None:
    """The caller behind a browser's Django session, as a log-in, a participant, or both."""
    members = {
        UUID(session): UUID(member) for session, member in browser.get(MEMBERS_KEY, {}).items()
    }
    known = user if user is not None and user.is_authenticated and user.is_active else None
    if known is None and not members:
        return None
    return Caller(user=known, members=members)


def organisations_of(caller: Caller, *, administers: bool = False) -> set[UUID]:
    """Where this caller has a place; with `administers`, where it is an administrator's."""
    with tenancy.acting(tenancy.everywhere("sign-in")):
        places: set[UUID] = set()
        if caller.user is not None:
            staff = Staff.objects.filter(user=caller.user)
            if administers:
                staff = staff.filter(role=Staff.Role.ADMINISTRATOR)
            places |= set(staff.values_list("organisation_id", flat=True))
        if caller.members and not administers:
            seats = Member.objects.filter(id__in=caller.members.values(), removed_at__isnull=True)
            places |= set(seats.values_list("organisation_id", flat=True))
    return places


def remember(browser: Any, member: Member) -> None:
    """Let this browser come back as this member."""
    browser[MEMBERS_KEY] = {
        **browser.get(MEMBERS_KEY, {}),
        str(member.session_id): str(member.id),
    }


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()

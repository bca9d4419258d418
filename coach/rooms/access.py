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

from coach.models import AccessToken, Member

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


def issue_token(*, member: Member | None = None, user: User | None = None) -> str:
    """A fresh bearer token, shown once; the database keeps its digest."""
    token = f"sc_{secrets.token_urlsafe(32)}"
    AccessToken.objects.create(
        digest=_digest(token),
        member=member,
        user=user,
        expires_at=timezone.now() + timedelta(days=TOKEN_DAYS),
    )
    return token


def caller_by_token(token: str) -> Caller | None:
    """The caller this token stands for; None when it is unknown, expired or its owner is gone."""
    found = (
        AccessToken.objects.select_related("member", "user")
        .filter(digest=_digest(token), expires_at__gt=timezone.now())
        .first()
    )
    if found is None:
        return None
    if found.user is not None:
        return Caller(user=found.user) if found.user.is_active else None
    member = found.member
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


def remember(browser: Any, member: Member) -> None:
    """Let this browser come back as this member."""
    browser[MEMBERS_KEY] = {
        **browser.get(MEMBERS_KEY, {}),
        str(member.session_id): str(member.id),
    }


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()

"""What holds now for all workers: routes, trials, switches and this minute's use, in one piece."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from coach.gateway.routes import Role, Route


class Kind(TextChoices):
    CANARY = "canary", _("canary: stops itself when worse")
    COMPARISON = "comparison", _("comparison (A/B)")
    SHADOW = "shadow", _("shadow: called, never shown")


@dataclass(frozen=True)
class Trial:
    """A candidate route that a share of sessions gets, or is asked in the background."""

    id: int
    name: str
    kind: Kind
    role: Role
    candidate: str
    percent: int

    def holds(self, session: UUID) -> bool:
        """Whether this session is in the candidate's share; the same answer for all its turns."""
        digest = hashlib.blake2b(session.bytes, digest_size=8, key=f"{self.id}".encode())
        return int.from_bytes(digest.digest()) % 100 < self.percent


@dataclass(frozen=True)
class Used:
    """What a route was asked for in the last minute, by all workers."""

    tokens: int = 0
    requests: int = 0


@dataclass(frozen=True)
class Switches:
    """Where no model may be called."""

    everywhere: bool = False
    features: frozenset[str] = frozenset()
    organisations: frozenset[UUID] = frozenset()
    sessions: frozenset[UUID] = frozenset()

    def stop(self, role: str, organisation: UUID, session: UUID) -> bool:
        return (
            self.everywhere
            or role in self.features
            or organisation in self.organisations
            or session in self.sessions
        )


@dataclass(frozen=True)
class Plan:
    routes: tuple[Route, ...] = ()
    trials: tuple[Trial, ...] = ()
    switches: Switches = Switches()
    used: Mapping[str, Used] = field(default_factory=dict)

    def route(self, name: str) -> Route | None:
        return next((route for route in self.routes if route.name == name), None)

    def trial(self, role: Role) -> Trial | None:
        """The comparison that runs for this role, if there is one."""
        return next((t for t in self.trials if t.role == role and t.kind is not Kind.SHADOW), None)

    def shadow(self, role: Role, session: UUID) -> Route | None:
        """The route that is asked the same as this session's, and never shown."""
        for trial in self.trials:
            if trial.role == role and trial.kind is Kind.SHADOW and trial.holds(session):
                return self.route(trial.candidate)
        return None

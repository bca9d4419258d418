"""For whom this code acts: whose rows it may see, and who answers for what it does.

Row-level security reads both from the transaction (`coach.databases`). Nothing is said of it to
a connection beyond the transaction, so that a pooled connection carries nobody over to the next.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Func, UUIDField

ORGANISATIONS, ACTOR = "app.organisations", "app.actor"
EVERY = "*"
TELL = f"SELECT set_config('{ORGANISATIONS}', %s, true), set_config('{ACTOR}', %s, true)"


@dataclass(frozen=True)
class Scope:
    """Organisations, as row-level security reads them, and an actor, as the audit names them."""

    organisations: str = ""
    actor: str = ""

    @property
    def settings(self) -> tuple[str, str]:
        """The arguments of TELL."""
        return self.organisations, self.actor


NOBODY = Scope()
_scope: ContextVar[Scope] = ContextVar("scope", default=NOBODY)


def of(organisations: Iterable[UUID], *, actor: str) -> Scope:
    """A scope of these organisations' rows; of none, if there are none."""
    return Scope(",".join(sorted(map(str, organisations))), actor)


def everywhere(actor: str) -> Scope:
    """The rows of every organisation. Only for what belongs to none; `tests` name each caller."""
    return Scope(EVERY, actor)


def current() -> Scope:
    return _scope.get()


def enter(scope: Scope) -> None:
    """Act in this scope from here on: in this request, this socket, this task."""
    _scope.set(scope)


@contextmanager
def acting(scope: Scope) -> Iterator[None]:
    """Act in this scope inside the block."""
    before = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(before)


class CurrentOrganisation(Func):
    """The one organisation acted for; an error of PostgreSQL's where there is not exactly one."""

    template = f"NULLIF(current_setting('{ORGANISATIONS}', true), '')::uuid"
    output_field: Any = UUIDField()

"""What a model is asked, by whom, and for what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from coach.gateway.growing import NUDGE, Shape
from coach.gateway.routes import Role


@dataclass(frozen=True)
class Prompt:
    """Chat messages, how many numbered pieces they hold to cite, and the shape of the answer.

    `tokens` is a count or a cautious estimate. `shorten` gives the same question in at most so
    many tokens, or None when what must stay is longer than that.
    """

    messages: Sequence[dict[str, str]] = field(repr=False)
    passages: int
    shape: Shape = NUDGE
    tokens: int = 0
    shorten: "Callable[[int], Prompt | None]" = field(default=lambda _: None, repr=False)


@dataclass(frozen=True)
class Ask:
    """Who a call is for: it chooses the arm, and is charged and logged to them.

    `salt` keeps a tenant's prefixes apart in a model server that shares its cache.
    """

    organisation: UUID
    session: UUID
    member: UUID | None = None
    utterance: UUID | None = None
    role: Role = Role.NUDGE
    language: str = ""
    salt: str = ""

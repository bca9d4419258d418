"""A call to a model and the words that come of it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid4

from coach.gateway.attempt import Attempt
from coach.gateway.breaker import Breaker
from coach.gateway.choice import Choice
from coach.gateway.errors import ContextTooLong, GatewayError, ModelBroken, ModelLate
from coach.gateway.growing import DraftBody, GrowingDraft
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Route
from coach.ops import metrics, tracing
from safety.errors import GateClosed

# These ends say something about the route; every other says nothing about it.
FAILURES = frozenset({"model_unavailable", "model_late", "model_broken"})


@dataclass
class Call:
    """One attempt, whom it is for, and how it ended."""

    ask: Ask
    attempt: Attempt
    breaker: Breaker
    trial: int | None = None
    arm: str = ""
    shadow: bool = False
    outcome: str = ""
    span: tracing.Span = tracing.OFF
    id: UUID = field(default_factory=uuid4)


class Ledger(Protocol):
    """Where calls are charged: before they are made, and exactly once they have ended."""

    async def reserve(self, call: Call, *, timeout_s: float) -> None:
        """Raises BudgetSpent, Killed or LedgerDown; then the call is not made."""

    async def settle(self, call: Call) -> None: ...


class Draft:
    """Words while a model writes them: iterate, then read `body`.

    Raises GatewayError from the iteration. What `body` holds is complete: a stream that just
    ends, without saying that it is finished, is a failure and no short answer.
    """

    def __init__(self, call: Call, prompt: Prompt, choice: Choice) -> None:
        self.body: DraftBody | None = None
        self.choice = choice
        self._attempt = call.attempt
        self._prompt = prompt

    @property
    def route(self) -> Route:
        return self._attempt.route

    @property
    def first_token_ms(self) -> float | None:
        return self._attempt.first_token_ms

    @property
    def tokens_in(self) -> int:
        """As the server counts them, once it has said so."""
        return self._attempt.tokens_in

    @property
    def confidence(self) -> float | None:
        return self._attempt.confidence

    async def __aiter__(self) -> AsyncIterator[str]:
        growing = GrowingDraft(self._prompt.shape)
        async for content in self._attempt.contents():
            with _shape_counted():
                words = growing.feed(content)
            if words:
                yield words
        with _shape_counted():
            self.body = growing.close()
        metrics.SHAPES.labels("valid").inc()


@contextmanager
def _shape_counted() -> Iterator[None]:
    try:
        yield
    except ModelBroken:
        metrics.SHAPES.labels("invalid").inc()
        raise


def outcome_of(exc: BaseException) -> str:
    """One word for the books: a GatewayError's reason, "context", "gate", or "abandoned"."""
    if isinstance(exc, GatewayError):
        return "context" if isinstance(exc, ContextTooLong) else exc.reason
    if isinstance(exc, GateClosed):
        return "gate"
    return ModelLate.reason if isinstance(exc, TimeoutError) else "abandoned"

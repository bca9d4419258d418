"""The one place a model is called from: choose a route, call it in time, hand over its words."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

import openai
import structlog
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from coach.gateway.breaker import Breaker, State
from coach.gateway.errors import (
    GatewayError,
    ModelBroken,
    ModelDown,
    ModelLate,
    NoRoute,
    RouteClosed,
)
from coach.gateway.growing import DraftBody, GrowingDraft
from coach.live.deadline import Deadline
from coach.ops import metrics

log = structlog.get_logger(__name__)

STALL_S = 0.4
MAX_TOKENS = 160
NUDGE_CHARACTERS = 240


@dataclass(frozen=True)
class Route:
    """One model at one address."""

    name: str
    base_url: str
    model: str
    api_key: str = field(repr=False)
    structured: bool = True


@dataclass(frozen=True)
class Prompt:
    """What a model is asked: chat messages, and how many passages they number."""

    messages: Sequence[dict[str, str]] = field(repr=False)
    passages: int


class Draft:
    """A nudge while a model writes it: iterate for its words, then read `body`.

    Raises GatewayError from the iteration. What `body` holds is complete: a stream that just
    ends, without saying that it is finished, is a failure and no short answer.
    """

    def __init__(self, route: Route, stream: AsyncStream[ChatCompletionChunk], started: float,
                 deadline: Deadline) -> None:  # fmt: skip
        self.route = route.name
        self.body: DraftBody | None = None
        self.first_token_ms: float | None = None
        self.tokens = 0
        self._stream = stream
        self._started = started
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[str]:
        growing, finished = GrowingDraft(), None
        chunks = aiter(self._stream)
        while (chunk := await self._next(chunks)) is not None:
            if not chunk.choices:
                continue
            choice = chunk.choices[0]
            finished = choice.finish_reason or finished
            content = choice.delta.content
            if not content:
                continue
            if self.first_token_ms is None:
                self.first_token_ms = (time.perf_counter() - self._started) * 1000
            self.tokens += 1
            words = growing.feed(content)
            if words:
                yield words
        if finished != "stop":
            raise ModelBroken(f"the stream ended with {finished}")
        self.body = growing.close()

    async def _next(self, chunks: AsyncIterator[ChatCompletionChunk]) -> ChatCompletionChunk | None:
        """The next chunk; the first may take until the deadline, each later one STALL_S."""
        left = self._deadline.remaining_s()
        limit = left if self.first_token_ms is None else min(left, STALL_S)
        try:
            async with asyncio.timeout(limit):
                return await anext(chunks, None)
        except TimeoutError as exc:
            raise ModelLate("no token in time") from exc
        except (openai.OpenAIError, ValueError) as exc:
            raise ModelBroken(type(exc).__name__) from exc
        except Exception as exc:
            # The HTTP library below raises its own errors while a body is being read.
            if type(exc).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2"):
                raise ModelBroken(type(exc).__name__) from exc
            raise


class Gateway:
    """Routes with a client and a breaker each. Made on the loop that uses it."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._breakers = {route.name: Breaker() for route in routes}
        self._clients = {
            route.name: AsyncOpenAI(
                base_url=route.base_url,
                api_key=route.api_key or "none",
                max_retries=0,
                timeout=10.0,
            )
            for route in routes
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            await client.close()

    def states(self) -> dict[str, State]:
        return {name: breaker.state for name, breaker in self._breakers.items()}

    def choose(self) -> Route:
        """The first route that may be called; raises NoRoute or RouteClosed."""
        if not self.routes:
            raise NoRoute("no model is set up")
        for route in self.routes:
            if self._breakers[route.name].admit():
                return route
        raise RouteClosed("every route's breaker is open")

    @asynccontextmanager
    async def draft(self, prompt: Prompt, *, deadline: Deadline) -> AsyncIterator[Draft]:
        """A draft being written; leaving the block closes the upstream call at once.

        Raises GatewayError. A failure inside the block counts against the route if it is the
        route's own; giving up for another reason does not.
        """
        route = self.choose()
        breaker = self._breakers[route.name]
        started = time.perf_counter()
        outcome = "abandoned"
        try:
            async with AsyncExitStack() as stack:
                stream = await self._open(route, prompt, deadline)
                # Until it is closed the server goes on writing, whether we read or not.
                stack.push_async_callback(_close, stream)
                draft = Draft(route, stream, started, deadline)
                yield draft
                outcome = "ok" if draft.body is not None else "abandoned"
        except GatewayError as exc:
            outcome = exc.reason
            raise
        finally:
            if outcome == "ok":
                breaker.succeeded()
            elif outcome == "abandoned":
                breaker.abandoned()
            else:
                breaker.failed()
            metrics.MODEL_CALLS.labels(route.name, outcome).inc()

    async def _open(
        self, route: Route, prompt: Prompt, deadline: Deadline
    ) -> AsyncStream[ChatCompletionChunk]:
        extra: dict[str, Any] = {}
        if route.structured:
            extra["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": "nudge",
                    "strict": True,
                    "schema": schema(prompt.passages),
                },
            }
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                stream: AsyncStream[ChatCompletionChunk] = await self._clients[
                    route.name
                ].chat.completions.create(
                    model=route.model,
                    messages=cast(list[ChatCompletionMessageParam], list(prompt.messages)),
                    max_tokens=MAX_TOKENS,
                    temperature=0.3,
                    stream=True,
                    **extra,
                )
        except TimeoutError as exc:
            raise ModelLate("no answer in time") from exc
        except openai.APITimeoutError as exc:
            raise ModelLate("no answer in time") from exc
        except openai.OpenAIError as exc:
            raise ModelDown(type(exc).__name__) from exc
        return stream


def schema(passages: int) -> dict[str, Any]:
    """The shape of a draft: the nudge first, so that it can be shown while it grows."""
    return {
        "type": "object",
        "properties": {
            "nudge": {"type": "string", "minLength": 8, "maxLength": NUDGE_CHARACTERS},
            "cites": {
                "type": "array",
                "items": {"type": "integer", "minimum": 1, "maximum": max(1, passages)},
                "minItems": 1,
                "maxItems": 2,
            },
        },
        "required": ["nudge", "cites"],
        "additionalProperties": False,
    }


async def _close(stream: AsyncStream[ChatCompletionChunk]) -> None:
    await asyncio.shield(asyncio.ensure_future(stream.close()))

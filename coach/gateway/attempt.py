"""One call to one route, on the wire: begun, read while it is written, and always closed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import openai

from coach.gateway.errors import (
    ContextTooLong,
    GatewayError,
    ModelBroken,
    ModelDown,
    ModelLate,
    ModelUnreached,
)
from coach.gateway.events import Chunk, Events
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Engine, Route
from coach.live.deadline import Deadline

TEMPERATURE = 0.3
TOO_LONG = ("context_length", "maximum context", "context length", "too long")
_BROKEN = (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError)


class Attempt:
    """A route's answer as it grows. Time is kept on the wall clock, whatever bytes arrive.

    The first content may take until `first_by`, each later one the route's stall limit, and all
    of it until `deadline`.
    """

    def __init__(self, route: Route, prompt: Prompt, ask: Ask, deadline: Deadline) -> None:
        self.route = route
        self.first_token_ms: float | None = None
        self.tokens_in = prompt.tokens
        self.tokens_out = 0
        self.finished = ""
        self.answered = False
        self._body = _body(route, prompt, ask)
        self._messages = prompt.messages
        self._deadline = deadline
        self._started = time.perf_counter()
        self._limit = deadline.at
        self._stack = AsyncExitStack()
        self._events = Events()
        self._blocks: AsyncIterator[bytes]
        self._ready: list[Chunk] = []
        self._stopped: GatewayError | None = None
        self._timer: asyncio.Timeout | None = None
        self._surprise = 0.0
        self._weighed = 0

    @property
    def confidence(self) -> float | None:
        """The mean log-probability of the tokens so far; None where the route tells none."""
        return self._surprise / self._weighed if self._weighed else None

    @property
    def total_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000

    async def begin(self, create: Any, *, first_by: Deadline, tokens: int = 1) -> None:
        """Send the call and read its first tokens, so many or all. Raises GatewayError.

        `create` is a client's own, made once: `chat.completions.with_streaming_response.create`.
        """
        self._limit = min(first_by.at, self._deadline.at)
        try:
            async with self._in_time():
                answer = await self._stack.enter_async_context(
                    create(
                        model=self.route.model,
                        messages=self._messages,
                        max_tokens=self.route.max_tokens,
                        temperature=TEMPERATURE,
                        stream=True,
                        extra_body=self._body,
                    )
                )
        except (TimeoutError, openai.APITimeoutError) as exc:
            raise self._stopped or ModelLate("no answer in time") from exc
        except openai.APIConnectionError as exc:
            raise _connection_error(exc) from exc
        except openai.BadRequestError as exc:
            told = str(exc).lower()
            too_long = any(words in told for words in TOO_LONG)
            raise (ContextTooLong if too_long else ModelDown)(type(exc).__name__) from exc
        except openai.OpenAIError as exc:
            raise ModelDown(type(exc).__name__) from exc
        self.answered = True
        self._blocks = aiter(answer.iter_bytes())
        while self.tokens_out < tokens and await self._read():
            pass

    def still_going(self) -> None:
        """The next content may take the whole stall limit from now on."""
        self._limit = self._deadline.sooner_of_ms(self.route.stall_ms).at

    async def contents(self) -> AsyncIterator[str]:
        """All content, piece by piece; raises GatewayError unless the model ends it itself."""
        while True:
            for chunk in self._ready:
                yield chunk.content
            self._ready.clear()
            if not await self._read():
                break
        if self.finished != "stop":
            # A stream that just ends looks like a short answer, and is none.
            raise ModelBroken(f"the stream ended with {self.finished or 'nothing'}")

    def stop(self, why: GatewayError) -> None:
        """Have whoever reads fail with this error, now."""
        self._stopped = why
        self._limit = 0.0
        with contextlib.suppress(RuntimeError):
            # Nobody waits for this attempt at the moment; the limit will meet them.
            if self._timer is not None:
                self._timer.reschedule(0.0)

    async def close(self) -> None:
        """Hang up; until then the server goes on writing, whether anybody reads or not."""
        await asyncio.shield(asyncio.ensure_future(self._stack.aclose()))

    def _in_time(self) -> asyncio.Timeout:
        if self._stopped is not None:
            raise self._stopped
        self._timer = asyncio.timeout_at(self._limit)
        return self._timer

    async def _read(self) -> bool:
        """Take in what arrives next; False when there is nothing more."""
        if self._events.done:
            return False
        try:
            async with self._in_time():
                block = await anext(self._blocks, None)
        except TimeoutError as exc:
            raise self._stopped or ModelLate("no token in time") from exc
        except _BROKEN as exc:
            raise ModelBroken(type(exc).__name__) from exc
        if block is None:
            return False
        for chunk in self._events.feed(block):
            self._take(chunk)
        return True

    def _take(self, chunk: Chunk) -> None:
        self.finished = chunk.finished or self.finished
        self.tokens_in = chunk.tokens_in or self.tokens_in
        if chunk.content:
            now = time.perf_counter()
            if self.first_token_ms is None:
                self.first_token_ms = (now - self._started) * 1000
            self.tokens_out += max(1, len(chunk.logprobs))
            self._surprise += sum(chunk.logprobs)
            self._weighed += len(chunk.logprobs)
            self._ready.append(chunk)
            self.still_going()
        self.tokens_out = chunk.tokens_out or self.tokens_out


def _body(route: Route, prompt: Prompt, ask: Ask) -> dict[str, Any]:
    """What a request holds beyond the usual, sent as it is: the client reads none of it."""
    body: dict[str, Any] = {"stream_options": {"include_usage": True}}
    if route.structured:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": prompt.shape.words,
                "strict": True,
                "schema": prompt.shape.schema(prompt.passages),
            },
        }
    if route.logprobs:
        body["logprobs"] = True
    if route.engine is Engine.VLLM and ask.salt:
        body["cache_salt"] = ask.salt
    return body


def _connection_error(error: openai.APIConnectionError) -> ModelDown:
    refused = isinstance(error.__cause__, httpx2.ConnectError)
    return (ModelUnreached if refused else ModelDown)(type(error).__name__)

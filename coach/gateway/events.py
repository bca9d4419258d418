"""Server-sent events as chat completions use them, out of bytes as they arrive."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from coach.gateway.errors import ModelBroken

MAX_LINE_BYTES = 64 * 1024
MAX_BYTES = 1024 * 1024
DATA = b"data:"
DONE = b"[DONE]"


@dataclass(frozen=True)
class Chunk:
    """One event: new content, why it ended if it did, log-probabilities, and what was used."""

    content: str = field(default="", repr=False)
    finished: str = ""
    logprobs: tuple[float, ...] = ()
    tokens_in: int | None = None
    tokens_out: int | None = None


class Events:
    """Feed it blocks of a body; it gives the chunks they complete. Nothing else is kept."""

    def __init__(self) -> None:
        self.done = False
        self._left = b""
        self._taken = 0

    def feed(self, block: bytes) -> Iterator[Chunk]:
        """Raises ModelBroken for what is no chat completion, or far too much of one."""
        self._taken += len(block)
        *lines, self._left = (self._left + block).split(b"\n")
        if len(self._left) > MAX_LINE_BYTES or self._taken > MAX_BYTES:
            raise ModelBroken("the answer does not end")
        for line in lines:
            # Comments keep a connection alive and say nothing.
            if not line.startswith(DATA):
                continue
            payload = line[len(DATA) :].strip()
            if payload == DONE:
                self.done = True
                return
            if len(payload) > MAX_LINE_BYTES:
                raise ModelBroken("the answer does not end")
            yield _chunk(payload)


def _chunk(payload: bytes) -> Chunk:
    try:
        event = json.loads(payload.decode())
        if event.get("error"):
            raise ModelBroken("the server reports an error")
        usage = event.get("usage") or {}
        used = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if not event["choices"]:
            return Chunk(tokens_in=used[0], tokens_out=used[1])
        choice = event["choices"][0]
        content = (choice.get("delta") or {}).get("content") or ""
        if not isinstance(content, str):
            raise ModelBroken("the answer is not text")
        return Chunk(
            content=content,
            finished=choice.get("finish_reason") or "",
            logprobs=_logprobs(choice),
            tokens_in=used[0],
            tokens_out=used[1],
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as exc:
        raise ModelBroken(f"the stream is malformed ({type(exc).__name__})") from exc


def _logprobs(choice: dict[str, Any]) -> tuple[float, ...]:
    told = choice.get("logprobs")
    if not told:
        return ()
    return tuple(float(entry["logprob"]) for entry in told.get("content") or ())

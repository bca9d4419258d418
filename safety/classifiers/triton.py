"""The signals model behind NVIDIA Triton, over gRPC, with the process's own model as a stand-in."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from safety.classifiers.heads import WIDTH
from safety.classifiers.in_process import InProcess, Reader
from safety.classifiers.protocol import Classifiers
from safety.classifiers.reading import Card, Scores, Signals, read
from safety.errors import SignalsBroken, SignalsFailed, SignalsLate

MODEL = "signals"
_FAILURES_TO_OPEN = 3
_OPEN_S = 2.0


@dataclass
class Triton:
    """Reads signals on a Triton server. Use and close it on one event loop."""

    url: str
    card: Card
    reader: Reader = field(repr=False)
    _client: Any = field(default=None, repr=False)

    async def check(self, *, timeout_s: float) -> None:
        """Raise SignalsFailed unless the server holds this very model: version, digest, shape."""
        from tritonclient.utils import InferenceServerException

        try:
            config = await self._connected().get_model_config(
                MODEL, as_json=True, client_timeout=timeout_s
            )
        except InferenceServerException as exc:
            raise _translated(exc) from exc
        told = config["config"].get("parameters", {})
        wanted = {"version": self.card.version, "sha256": self.card.digest}
        if {name: told.get(name, {}).get("string_value") for name in wanted} != wanted:
            raise SignalsBroken("Triton serves another model")

    async def read_signals(
        self,
        text: str,
        *,
        previous: str | None = None,
        role: str | None = "participant",
        timeout_s: float,
    ) -> Signals:
        """The signals of a text within the time; raises SignalsLate or SignalsBroken."""
        from tritonclient.grpc import InferInput, InferRequestedOutput
        from tritonclient.utils import InferenceServerException

        made = self.reader.batch(text, previous)
        inputs = []
        for name in ("input_ids", "attention_mask", "token_type_ids"):
            values = getattr(made, name)
            sent = InferInput(name, list(values.shape), "INT64")
            sent.set_data_from_numpy(values)
            inputs.append(sent)
        try:
            reply = await self._connected().infer(
                MODEL, inputs, outputs=[InferRequestedOutput("scores")], client_timeout=timeout_s
            )
        except InferenceServerException as exc:
            raise _translated(exc) from exc
        scores: Scores | None = reply.as_numpy("scores")
        if scores is None or scores.dtype != np.float32 or scores.shape[-1] != WIDTH:
            raise SignalsBroken("Triton's reply is no reading")
        return read(scores, self.card, role)

    async def close(self) -> None:
        """Close the channel."""
        if self._client is not None:
            await self._client.close()

    def _connected(self) -> Any:
        # The client belongs to the loop it is made on, so it is made on first use, not at load.
        if self._client is None:
            from tritonclient.grpc.aio import InferenceServerClient

            self._client = InferenceServerClient(self.url)
        return self._client


def _translated(exc: Exception) -> SignalsFailed:
    late = "DEADLINE_EXCEEDED" in str(getattr(exc, "status", lambda: "")())
    return SignalsLate("Triton is late") if late else SignalsBroken("Triton failed")


@dataclass
class WithStandIn:
    """One engine first, another while the first keeps failing.

    Three failures in a row open the breaker for two seconds; then one reading tries again.
    """

    first: Classifiers
    second: Classifiers
    _failures: int = 0
    _open_until: float = 0.0

    async def read_signals(
        self,
        text: str,
        *,
        previous: str | None = None,
        role: str | None = "participant",
        timeout_s: float,
    ) -> Signals:
        """A reading from whichever engine is well; the first gets at most half of the time."""
        started = time.monotonic()
        if started >= self._open_until:
            try:
                signals = await self.first.read_signals(
                    text, previous=previous, role=role, timeout_s=timeout_s / 2
                )
            except SignalsFailed:
                self._count_failure(started)
            else:
                self._failures = 0
                return signals
        left_s = timeout_s - (time.monotonic() - started)
        return await self.second.read_signals(text, previous=previous, role=role, timeout_s=left_s)

    @property
    def degraded(self) -> bool:
        """Whether the stand-in is answering."""
        return time.monotonic() < self._open_until

    def _count_failure(self, now: float) -> None:
        self._failures += 1
        if self._failures >= _FAILURES_TO_OPEN:
            self._open_until = now + _OPEN_S


def behind_triton(url: str, own: InProcess) -> WithStandIn:
    """Triton first, this process's model behind it."""
    return WithStandIn(Triton(url, own.card, own.reader), own)

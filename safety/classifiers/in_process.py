"""The signals model in this process: ONNX Runtime on one thread, off the event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safety.classifiers.reading import Card, Scores, Signals, check_digest, load_card, read
from safety.classifiers.tokens import Batch, batch, load_tokenizer, pieces, windows
from safety.errors import SignalsBroken, SignalsLate
from safety.text import normalise

WEIGHTS = Path(__file__).parents[1] / "weights"
_MOST_WINDOWS = 32


@dataclass(frozen=True)
class Reader:
    """Turns a text into windows of ids; the same for every engine."""

    tokenizer: Any = field(repr=False)

    def batch(self, text: str, previous: str | None) -> Batch:
        """The windows of a text, each with the turn before it; 32 at most, later ones dropped."""
        ids = windows(pieces(self.tokenizer, normalise(text).text))[:_MOST_WINDOWS]
        before = pieces(self.tokenizer, normalise(previous).text) if previous else []
        return batch(ids, [before] * len(ids))


@dataclass(frozen=True)
class InProcess:
    """Reads signals here. One session and one thread per process; hold one and share it."""

    card: Card
    reader: Reader = field(repr=False)
    _session: Any = field(repr=False)
    _thread: ThreadPoolExecutor = field(repr=False)

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> "InProcess":
        """The model in a folder; raises SignalsBroken when a file is missing or has changed."""
        import onnxruntime

        card = load_card(folder)
        model = check_digest(folder, "signals.onnx", card)
        tokenizer = load_tokenizer(check_digest(folder, "tokenizer.json", card))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:
            raise SignalsBroken("the model does not load") from exc
        return cls(card, Reader(tokenizer), session, ThreadPoolExecutor(1, "signals"))

    def read_now(
        self, text: str, *, previous: str | None = None, role: str | None = None
    ) -> Signals:
        """The signals of a text, in the calling thread; raises SignalsBroken."""
        return read(self._run(self.reader.batch(text, previous)), self.card, role)

    async def read_signals(
        self,
        text: str,
        *,
        previous: str | None = None,
        role: str | None = "participant",
        timeout_s: float,
    ) -> Signals:
        """The signals of a text within the time; raises SignalsLate or SignalsBroken."""
        reading = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self.read_now(text, previous=previous, role=role)
        )
        try:
            async with asyncio.timeout(timeout_s):
                return await reading
        except TimeoutError as exc:
            raise SignalsLate("no reading in time") from exc

    def _run(self, made: Batch) -> Scores:
        feeds = {
            "input_ids": made.input_ids,
            "attention_mask": made.attention_mask,
            "token_type_ids": made.token_type_ids,
        }
        try:
            scores: Scores = self._session.run(["scores"], feeds)[0]
        except Exception as exc:
            # ONNX Runtime raises its own, unexported classes; none of them quotes the input.
            raise SignalsBroken(type(exc).__name__) from exc
        return scores

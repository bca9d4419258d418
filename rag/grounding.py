"""Does a draft rest on the passages it was given? Judged while it is written, and when it ends.

A sentence rests on a passage by words and by meaning together: the share of its telling words
that stand close together in the passage (`rag.citations`), and the cosine of the two, half each.
Both thresholds are from development drafts (docs/retrieval.md).
"""

import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from rag.citations import Cited, Support, support
from rag.embedding import Encoder, Vectors
from rag.errors import EmbedderLate, Ungrounded

# What a beginning must reach to be let go, and what a whole sentence must.
BEGINNING, SENTENCE = 0.25, 0.35
EMBED_S = 0.1
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*\s*$")


@dataclass(frozen=True)
class Resting:
    """A sentence of a draft and the passage it rests on; `score` in [0, 1]."""

    sentence: str = field(repr=False)
    passage: Cited
    support: Support | None
    score: float


@dataclass
class Grounding:
    """Reads one draft against its passages, best first; `resting` fills sentence by sentence.

    Without an encoder, or when it is late, the words alone decide.
    """

    passages: Sequence[Cited]
    encoder: Encoder | None
    resting: list[Resting] = field(default_factory=list)
    _known: Vectors | None = field(default=None, repr=False)

    async def release(self, clauses: AsyncIterable[str]) -> AsyncIterator[str]:
        """The draft's text as far as it rests on a passage; what does not yet is held back.

        Raises Ungrounded at the first sentence that ends without resting on any.
        """
        held, sentence = "", ""
        async for clause in clauses:
            held, sentence = held + clause, sentence + clause
            ended = bool(_SENTENCE_END.search(sentence))
            found = await self._judge(sentence)
            if found.score >= (SENTENCE if ended else BEGINNING):
                yield held
                held = ""
            elif ended:
                raise Ungrounded
            if ended:
                self.resting.append(found)
                sentence = ""
        if sentence.strip():
            found = await self._judge(sentence)
            if found.score < SENTENCE:
                raise Ungrounded
            self.resting.append(found)
            if held:
                yield held

    def cited(self, preferred: Sequence[Cited] = ()) -> list[tuple[Cited, str]]:
        """Each passage that a sentence rests on and the words of it that count, in order.

        `preferred` passages come first where they are among them.
        """
        spans: dict[int, tuple[int, int]] = {}
        order: list[Cited] = []
        for each in self.resting:
            place = next(n for n, p in enumerate(self.passages) if p.id == each.passage.id)
            start, end = (each.support.start, each.support.end) if each.support else (
                0, len(each.passage.text),
            )  # fmt: skip
            first, last = spans.get(place, (start, end))
            spans[place] = min(first, start), max(last, end)
            if each.passage not in order:
                order.append(each.passage)
        order.sort(key=lambda passage: passage not in preferred)
        quotes = {self.passages[n].id: self.passages[n].text[a:b] for n, (a, b) in spans.items()}
        return [(passage, quotes[passage.id]) for passage in order]

    async def _judge(self, sentence: str) -> Resting:
        """The passage a sentence rests on best; ties go to the earlier passage."""
        if not self.passages:
            raise Ungrounded
        likeness = await self._likeness(sentence)
        best: Resting | None = None
        for place, passage in enumerate(self.passages):
            found = support(sentence, [passage])
            words = found.score if found is not None else 0.0
            score = words if likeness is None else (words + max(0.0, float(likeness[place]))) / 2
            if best is None or score > best.score + 1e-9:
                best = Resting(sentence.strip(), passage, found, score)
        assert best is not None
        return best

    async def _likeness(self, sentence: str) -> Vectors | None:
        """Cosines to the passages: (n,) float32; None without an encoder in time."""
        if self.encoder is None:
            return None
        try:
            if self._known is None:
                self._known = np.stack([await self._embed(p.text) for p in self.passages])
            cosines: Vectors = self._known @ await self._embed(sentence.strip())
        except EmbedderLate:
            return None
        return cosines

    async def _embed(self, text: str) -> Vectors:
        assert self.encoder is not None
        return await self.encoder.embed_query(text, timeout_s=EMBED_S)

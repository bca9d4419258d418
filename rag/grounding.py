"""Does a draft rest on the passages it was given? Judged while it is written, and when it ends.

A sentence rests on a passage by words and by meaning together: the share of its telling words
that stand close together in the passage (`rag.citations`), and the cosine of the two, half each.
Both thresholds are from development drafts (docs/retrieval.md).
"""

import re
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from rag.citations import Cited, support
from rag.embedding import Encoder, Vectors
from rag.errors import EmbedderLate, Ungrounded

# What a beginning must reach to be let go, and what a whole sentence must.
BEGINNING, SENTENCE = 0.25, 0.35
EMBED_S = 0.1
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*\s*$")


@dataclass(frozen=True)
class Resting:
    """The passage that a sentence rests on, by its place, and where in it; `score` in [0, 1]."""

    place: int
    span: tuple[int, int]
    score: float


@dataclass
class Grounding:
    """Reads one draft against its passages, best first; `resting` fills sentence by sentence.

    Without an encoder, or when it is late, the words alone decide.
    """

    passages: Sequence[Cited]
    encoder: Encoder | None
    patience: float = 1.0
    resting: list[Resting] = field(default_factory=list)
    _known: Vectors | None = field(default=None, repr=False)

    async def release(self, clauses: AsyncIterable[str]) -> AsyncGenerator[str, None]:
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

    def cited(self, preferred: Collection[int] = ()) -> list[tuple[int, str]]:
        """Each passage that a sentence rests on, by its place, and the words of it that count.

        In the order of the text, but `preferred` places first.
        """
        spans: dict[int, tuple[int, int]] = {}
        for each in self.resting:
            start, end = each.span
            first, last = spans.get(each.place, each.span)
            spans[each.place] = min(first, start), max(last, end)
        order = sorted(spans, key=lambda place: place not in preferred)
        return [(place, self.passages[place].text[slice(*spans[place])]) for place in order]

    async def _judge(self, sentence: str) -> Resting:
        """The passage a sentence rests on best; ties go to the earlier passage."""
        if not self.passages:
            raise Ungrounded
        likeness = await self._likeness(sentence)
        found = [
            self._resting(sentence, place, None if likeness is None else float(likeness[place]))
            for place in range(len(self.passages))
        ]
        return max(found, key=lambda each: (round(each.score, 9), -each.place))

    def _resting(self, sentence: str, place: int, likeness: float | None) -> Resting:
        passage = self.passages[place]
        found = support(sentence, [passage])
        words, span = (found.score, (found.start, found.end)) if found is not None else (
            0.0, (0, len(passage.text)),
        )  # fmt: skip
        score = words if likeness is None else (words + max(0.0, likeness)) / 2
        return Resting(place, span, score)

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
        return await self.encoder.embed_query(text, timeout_s=EMBED_S * self.patience)

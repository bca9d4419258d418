"""Text to token ids, the same in training and in service."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

TEXT_TOKENS = 192
PREVIOUS_TOKENS = 32
WINDOW_TOKENS, STRIDE_TOKENS = 96, 64
CLS, SEP, PAD = 101, 102, 0

# The encoder learnt "[NAME]" from its data; a session's placeholder carries a key it never saw.
_PLACEHOLDER = re.compile(r"\[([A-Z_]{2,20})-[a-z0-9]{5,12}\]")


@dataclass(frozen=True)
class Batch:
    """Windows ready for the encoder: three int64 arrays of shape (windows, tokens)."""

    input_ids: npt.NDArray[np.int64]
    attention_mask: npt.NDArray[np.int64]
    token_type_ids: npt.NDArray[np.int64]


def load_tokenizer(path: Path) -> Tokenizer:
    """The word-piece tokenizer in a `tokenizer.json`, without padding and without truncation."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def pieces(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text's word pieces, special tokens left out."""
    plain = _PLACEHOLDER.sub(r"[\1]", text)
    ids: list[int] = tokenizer.encode(plain, add_special_tokens=False).ids
    return ids


def windows(ids: Sequence[int]) -> list[list[int]]:
    """A text's pieces whole up to `TEXT_TOKENS`, else in short windows that overlap.

    In a long window a single bad sentence drowns among good ones.
    """
    if len(ids) <= TEXT_TOKENS:
        return [list(ids)]
    starts = range(0, len(ids) - WINDOW_TOKENS + STRIDE_TOKENS, STRIDE_TOKENS)
    return [list(ids[start : start + WINDOW_TOKENS]) for start in starts]


def batch(texts: Sequence[Sequence[int]], previous: Sequence[Sequence[int]]) -> Batch:
    """`[CLS] text [SEP] previous [SEP]` per row, padded to the longest; previous keeps its end."""
    rows: list[tuple[list[int], int]] = []
    for text, before in zip(texts, previous, strict=True):
        first = [CLS, *text[:TEXT_TOKENS], SEP]
        second = [*before[-PREVIOUS_TOKENS:], SEP] if before else []
        rows.append((first + second, len(first)))
    shape = (len(rows), max(len(ids) for ids, _ in rows))
    input_ids, mask, types = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for row, (ids, length) in enumerate(rows):
        input_ids[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
        types[row, length : len(ids)] = 1
    return Batch(input_ids, mask, types)

"""Raw scores of many examples from any runner, batched by length, in the order given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from tokenizers import Tokenizer
from torch import Tensor

from safety.classifiers.tokens import PREVIOUS_TOKENS, TEXT_TOKENS, Batch, batch, pieces
from safety.training.corpus import Example
from safety.training.model import SignalsModel

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
ROWS = 32

Scores = npt.NDArray[np.float32]
Runner = Callable[[Batch], Scores]


@dataclass(frozen=True)
class Item:
    """An example turned into ids."""

    text: list[int]
    previous: list[int]
    example: Example

    def __len__(self) -> int:
        return len(self.text) + min(len(self.previous), PREVIOUS_TOKENS) + 3


def item(example: Example, tokenizer: Tokenizer) -> Item:
    """The ids of an example's text and of the turn before it."""
    before = pieces(tokenizer, example.previous) if example.previous else []
    return Item(pieces(tokenizer, example.text), before, example)


def batch_of(items: Sequence[Item]) -> Batch:
    """The padded batch of some items."""
    return batch([one.text for one in items], [one.previous for one in items])


def score_all(
    run: Runner, examples: Sequence[Example], tokenizer: Tokenizer, *, rows: int = ROWS
) -> Scores:
    """(examples, WIDTH) raw scores of each text's first window, `rows` at a time."""
    items = [item(example, tokenizer) for example in examples]
    lengths = [min(len(one), TEXT_TOKENS + PREVIOUS_TOKENS) for one in items]
    order = sorted(range(len(items)), key=lengths.__getitem__)
    found = [
        run(batch_of([items[index] for index in order[start : start + rows]]))
        for start in range(0, len(order), rows)
    ]
    stacked = np.concatenate(found)
    result = np.empty_like(stacked)
    result[order] = stacked
    return result


def as_tensors(made: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """A batch's arrays as torch tensors, in the order of the model's arguments."""
    return (
        torch.from_numpy(made.input_ids),
        torch.from_numpy(made.attention_mask),
        torch.from_numpy(made.token_type_ids),
    )


def fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself: training is two to three times as fast."""
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def torch_runner(model: SignalsModel) -> Runner:
    """The network as it is trained, in evaluation mode for the length of a call."""

    def run(made: Batch) -> Scores:
        model.eval()
        with (
            torch.inference_mode(),
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bfloat16()),
        ):
            found: Scores = model(*as_tensors(made)).float().numpy()
        model.train()
        return found

    return run


def onnx_runner(path: Path) -> Runner:
    """An exported file, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(made: Batch) -> Scores:
        found: Scores = session.run(None, {name: getattr(made, name) for name in INPUTS})[0]
        return found

    return run

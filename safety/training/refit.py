"""One danger's head fitted anew on the finished encoder, against much more ordinary talk.

In the mixed training most rows that hold no danger belong to other questions and weigh little. A
head alone is fitted in a minute, so here all of them count.
"""

import random
from collections.abc import Callable, Mapping, Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from safety.classifiers.tokens import TEXT_TOKENS
from safety.training.augment import spoken
from safety.training.corpus import Example
from safety.training.model import HIDDEN, SignalsModel
from safety.training.scoring import as_tensors, batch_of, fast_bfloat16, item

ORDINARY_ROWS = 8000  # of each set that was not made for this danger
ROWS, EPOCHS, RATE = 64, 8, 1e-3
OWN_WEIGHT = 4.0


def refit(
    model: SignalsModel,
    danger: str,
    sets: Mapping[str, Sequence[Example]],
    *,
    tokenizer: Tokenizer,
    seed: int,
    report: Callable[[str], None],
) -> None:
    """Fit the head of a danger in place; every other head and the encoder stay as they are."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    examples = _examples(danger, sets, rng)
    report(f"refitting {danger} on {len(examples)} rows")
    features = _features(model, examples, tokenizer)
    wanted = torch.tensor([example.targets[danger].value for example in examples])
    weights = torch.tensor([_weight(example) for example in examples])
    head = model.heads[danger]
    optimiser = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    head.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(examples)).split(4 * ROWS):
            losses = functional.binary_cross_entropy_with_logits(
                head(features[rows]), wanted[rows], reduction="none"
            )
            loss = (losses[:, 0] * weights[rows]).sum() / weights[rows].sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
        schedule.step()
    head.eval()


def _examples(
    danger: str, sets: Mapping[str, Sequence[Example]], rng: random.Random
) -> list[Example]:
    """Every row made for this danger, twice as it might be heard, and a sample of the rest."""
    turns = [example.text for example in sets["annomi"]]
    chosen: list[Example] = []
    for rows in sets.values():
        labelled = [one for one in rows if danger in one.targets]
        made = [one for one in labelled if one.targets[danger].weight == 1.0]
        implied = [one for one in labelled if one.targets[danger].weight < 1.0]
        chosen += [*made, *made, *rng.sample(implied, min(ORDINARY_ROWS, len(implied)))]
    return [spoken(one, turns=turns, rng=rng) for one in chosen]


def _weight(example: Example) -> float:
    return OWN_WEIGHT if example.source in ("own", "heard", "ailuminate") else 1.0


def _features(model: SignalsModel, examples: Sequence[Example], tokenizer: Tokenizer) -> Tensor:
    """(examples, 2 * HIDDEN): what the heads are given of each text."""
    items = [item(example, tokenizer) for example in examples]
    lengths = [min(len(one), TEXT_TOKENS) for one in items]
    order = sorted(range(len(items)), key=lengths.__getitem__)
    features = torch.empty(len(items), 2 * HIDDEN)
    model.eval()
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        with (
            torch.inference_mode(),
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bfloat16()),
        ):
            made = batch_of([items[row] for row in rows])
            features[rows] = model.pooled(*as_tensors(made)).float()
    return features

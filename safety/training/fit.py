"""The training loop: mixed batches by length, one loss per head, the best dev score kept."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from safety.classifiers.heads import COLUMNS, HEADS
from safety.classifiers.tokens import TEXT_TOKENS
from safety.training.augment import spoken
from safety.training.corpus import Example
from safety.training.model import SignalsModel
from safety.training.scoring import Item, as_tensors, batch_of, fast_bfloat16, item

# How often each set is seen in one epoch: the large meeting corpus is sampled, the small sets
# that stand for a danger are repeated.
PASSES = {
    "annomi": 1.5,
    "mrda": 0.55,
    "goemotions": 1.0,
    "davidson": 0.6,
    "convabuse": 2.0,
    "civil": 0.7,
    "ailuminate": 6.0,
    "injection": 1.5,
    "own": 6.0,
    "heard": 8.0,
}
SMALL = 3500  # rows; a set as small is never cut
HEAD_WEIGHT = {"emotion": 0.6, "davidson": 0.5, "commitment": 0.5}
ENCODER_RATE, HEAD_RATE = 1.0e-4, 8e-4
WARM_UP_SHARE = 0.05
LABEL_SMOOTHING = 0.05
BATCH_ROWS, BATCH_TOKENS = 96, 3072
# The mean of the weights over the last few hundred steps scores better than any one of them
# (Polyak and Juditsky, 1992).
AVERAGED_EVERY, MEMORY = 10, 0.95


def epoch_items(
    sets: Mapping[str, Sequence[Example]],
    tokenizer: Tokenizer,
    rng: random.Random,
    share: float = 1.0,
) -> list[Item]:
    """One epoch's examples, sampled by `PASSES`, made to sound spoken, and cut to a window."""
    turns = [example.text for name in ("annomi", "mrda") for example in sets[name]]
    chosen: list[Example] = []
    for name, examples in sets.items():
        whole, part = divmod(PASSES[name] * (share if len(examples) > SMALL else 1.0), 1.0)
        chosen += list(examples) * int(whole) + rng.sample(examples, int(part * len(examples)))
    items = []
    for example in chosen:
        heard = spoken(example, turns=turns, rng=rng)
        made = item(heard, tokenizer)
        items.append(replace(made, text=one_window(made.text, rng)))
    return items


def one_window(ids: list[int], rng: random.Random) -> list[int]:
    """A window of a long text: its start or its end half the time, else anywhere."""
    spare = len(ids) - TEXT_TOKENS
    if spare <= 0:
        return ids
    start = rng.choice((0, spare, rng.randint(0, spare), rng.randint(0, spare)))
    return ids[start : start + TEXT_TOKENS]


def by_length(items: list[Item], rng: random.Random) -> Iterator[list[Item]]:
    """Batches of like length in random order, bounded in rows and in padded tokens."""
    rng.shuffle(items)
    batches: list[list[Item]] = []
    pool = BATCH_ROWS * 64
    for start in range(0, len(items), pool):
        current: list[Item] = []
        for one in sorted(items[start : start + pool], key=len):
            full = len(current) == BATCH_ROWS or (len(current) + 1) * len(one) > BATCH_TOKENS
            if current and full:
                batches.append(current)
                current = []
            current.append(one)
        batches.append(current)
    rng.shuffle(batches)
    yield from batches


def loss_of(logits: Tensor, examples: Sequence[Example]) -> Tensor:
    """The batch's loss: every target of every example, weighted, over the number of rows."""
    total = logits.new_zeros(())
    for head in HEADS:
        rows = [row for row, example in enumerate(examples) if head.name in example.targets]
        if not rows:
            continue
        targets = [examples[row].targets[head.name] for row in rows]
        weight = torch.tensor([target.weight for target in targets])
        scores = logits[rows][:, COLUMNS[head.name]]
        wanted = torch.tensor([target.value for target in targets])
        if head.kind == "choice":
            losses = functional.cross_entropy(
                scores, wanted[:, 0].long(), reduction="none", label_smoothing=LABEL_SMOOTHING
            )
        else:
            losses = functional.binary_cross_entropy_with_logits(
                scores, wanted, reduction="none"
            ).sum(1)
        total = total + HEAD_WEIGHT.get(head.name, 1.0) * (losses * weight).sum()
    return total / len(examples)


def fit(
    model: SignalsModel,
    sets: Mapping[str, Sequence[Example]],
    *,
    tokenizer: Tokenizer,
    epochs: int,
    seed: int,
    checkpoint: Path,
    judge: Callable[[SignalsModel], float],
    report: Callable[[str], None],
    rate: float = 1.0,
    share: float = 1.0,
    checks_per_epoch: int = 2,
) -> None:
    """Train, and leave the averaged weights with the best dev score in `checkpoint`.

    `rate` scales the learning rates and `share` the larger sets, for a second sitting.
    """
    rng = random.Random(seed)
    torch.manual_seed(seed)
    model.encoder.embeddings.word_embeddings.requires_grad_(False)
    encoder = [p for p in model.encoder.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": encoder}, {"params": model.heads.parameters()}],
        lr=rate * ENCODER_RATE,
        weight_decay=0.01,
        fused=True,
    )

    def one_epoch(chance: random.Random) -> list[list[Item]]:
        return list(by_length(epoch_items(sets, tokenizer, chance, share), chance))

    per_epoch = len(one_epoch(random.Random(seed)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=[rate * ENCODER_RATE, rate * HEAD_RATE],
        # Batches differ a little from epoch to epoch; the slack keeps the schedule from ending.
        total_steps=int(per_epoch * epochs * 1.05) + 10,
        pct_start=WARM_UP_SHARE,
        anneal_strategy="linear",
        cycle_momentum=False,
    )
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(MEMORY))
    # Fused kernels double the speed of a processor, and lengths differ from batch to batch.
    forward = torch.compile(model, dynamic=True)
    best, started, seen = float("-inf"), time.monotonic(), 0
    model.train()
    for epoch in range(epochs):
        batches = one_epoch(rng)
        checks = {
            len(batches) * part // checks_per_epoch for part in range(1, checks_per_epoch + 1)
        }
        running = 0.0
        for step, items in enumerate(batches, start=1):
            made = batch_of(items)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bfloat16()):
                logits = forward(*as_tensors(made))
            loss = loss_of(logits.float(), [one.example for one in items])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if step % AVERAGED_EVERY == 0:
                average.update_parameters(model)
            seen += len(items)
            running += (float(loss.detach()) - running) / min(step, 200)
            if step % 100 == 0:
                speed = seen / (time.monotonic() - started)
                report(f"epoch {epoch} {step}/{len(batches)} loss {running:.3f} {speed:.0f} rows/s")
            if step in checks:
                score = judge(average.module)
                kept = score > best
                if kept:
                    best = score
                    torch.save(average.module.state_dict(), checkpoint)
                report(f"epoch {epoch} {step}/{len(batches)} dev {score:.4f} kept {kept}")

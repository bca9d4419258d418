"""Train the recogniser of names, places and organisations, and export it beside the signals."""

import hashlib
import json
import random
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from safety.classifiers.tokens import load_tokenizer
from safety.redaction.tagger import KINDS, LABELS, WINDOW_WORDS, Tagger, encode
from safety.training.labelled import load
from safety.training.model import HIDDEN, encoder_path
from safety.training.scoring import INPUTS, fast_bfloat16
from safety.training.tagged import Tagged, labels_of, lowered

LAYERS = 4
RATE, HEAD_RATE = 1.5e-4, 1e-3
BATCH_ROWS = 32
LOWERED_SHARE, SHOUTED_SHARE = 0.4, 0.02
_IGNORED = -100
# A missed name leaks, a false one only blurs: recall counts twice (F2); for the rest, F1.
_BETA = {"NAME": 2.0, "ADDRESS": 2.0, "PLACE": 1.0, "ORGANISATION": 1.0}


class TaggerModel(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Raw label scores of each piece, (rows, pieces, LABELS), from the first four layers."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import AutoModel

        self.encoder = AutoModel.from_pretrained(encoder_path(), attn_implementation="sdpa")
        self.encoder.encoder.layer = self.encoder.encoder.layer[:LAYERS]
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(HIDDEN, LABELS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        hidden = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        scores: Tensor = self.head(hidden)
        return scores


@dataclass(frozen=True)
class NamesPlan:
    """What one run is asked to do; `rows` caps the sentences, for a smoke run."""

    data: Path
    out: Path
    card: Path | None = None
    epochs: int = 3
    seed: int = 7
    rows: int | None = None


def train_names(plan: NamesPlan, report: Callable[[str], None]) -> Mapping[str, float]:
    """Train, set thresholds on dev, export, and return the dev figures of the exported file."""
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    rng = random.Random(plan.seed)
    tokenizer = load_tokenizer(encoder_path() / "tokenizer.json")
    train, dev = (load(plan.data, split, plan.seed) for split in ("train", "dev"))
    if plan.rows is not None:
        train, dev = rng.sample(train, plan.rows), rng.sample(dev, min(plan.rows, len(dev)))
    model = TaggerModel()
    _fit(model, train, tokenizer, epochs=plan.epochs, rng=rng, report=report)
    _export(model, plan.out)
    thresholds = dict.fromkeys(KINDS, 0.5)
    _describe(plan.out, thresholds)
    tagger = Tagger.load(plan.out)
    spoken = [lowered(one) for one in dev]
    chances = [tagger.chances(one.words) for one in (*dev, *spoken)]
    thresholds = _thresholds([*dev, *spoken], chances)
    _describe(plan.out, thresholds)
    half = len(dev)
    found = _figures(dev, chances[:half], thresholds, "cased")
    found |= _figures(spoken, chances[half:], thresholds, "lower case")
    if plan.card is not None:
        _write_card(plan.card, found, thresholds, (plan.out / "names.onnx").stat().st_size)
    return found


def _fit(
    model: TaggerModel,
    sentences: Sequence[Tagged],
    tokenizer: Tokenizer,
    *,
    epochs: int,
    rng: random.Random,
    report: Callable[[str], None],
) -> None:
    model.encoder.embeddings.word_embeddings.requires_grad_(False)
    encoder = [one for one in model.encoder.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": encoder, "lr": RATE}, {"params": model.head.parameters()}],
        lr=HEAD_RATE,
        weight_decay=0.01,
        fused=True,
    )
    steps = -(-len(sentences) // BATCH_ROWS) * epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=[RATE, HEAD_RATE], total_steps=steps + 1, pct_start=0.06,
        anneal_strategy="linear", cycle_momentum=False,
    )  # fmt: skip
    started, step, running = time.monotonic(), 0, 0.0
    model.train()
    for epoch in range(epochs):
        for rows in _batches([_varied(one, rng) for one in sentences], rng):
            inputs, wanted = _tensors(rows, tokenizer)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bfloat16()):
                scores = model(*inputs)
            loss = functional.cross_entropy(
                scores.float().flatten(0, 1), wanted.flatten(), ignore_index=_IGNORED
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step += 1
            running += (float(loss.detach()) - running) / min(step, 100)
            if step % 100 == 0:
                rate = step * BATCH_ROWS / (time.monotonic() - started)
                report(f"names epoch {epoch} {step}/{steps} loss {running:.3f} {rate:.0f} rows/s")


def _varied(one: Tagged, rng: random.Random) -> Tagged:
    dice = rng.random()
    if dice < LOWERED_SHARE:
        return lowered(one)
    if dice < LOWERED_SHARE + SHOUTED_SHARE:
        words = tuple(word.upper() for word in one.words)
        return Tagged(words, one.kinds, one.starts, one.source)
    return one


def _batches(sentences: list[Tagged], rng: random.Random) -> list[list[Tagged]]:
    rng.shuffle(sentences)
    batches: list[list[Tagged]] = []
    pool = BATCH_ROWS * 40
    for start in range(0, len(sentences), pool):
        ordered = sorted(sentences[start : start + pool], key=lambda one: len(one.words))
        batches += [ordered[at : at + BATCH_ROWS] for at in range(0, len(ordered), BATCH_ROWS)]
    rng.shuffle(batches)
    return batches


def _tensors(
    rows: Sequence[Tagged], tokenizer: Tokenizer
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """The model's inputs, and each piece's label; only a word's first piece has one."""
    made = [encode(tokenizer, one.words[:WINDOW_WORDS]) for one in rows]
    shape = (len(rows), max(len(one.ids) for one in made))
    ids, mask, types = (np.zeros(shape, np.int64) for _ in range(3))
    wanted = np.full(shape, _IGNORED, np.int64)
    for row, (one, tagged) in enumerate(zip(made, rows, strict=True)):
        ids[row, : len(one.ids)] = one.ids
        mask[row, : len(one.ids)] = 1
        types[row, : len(one.ids)] = one.types
        wanted[row, one.firsts] = labels_of(tagged)[:WINDOW_WORDS]
    return tuple(map(torch.from_numpy, (ids, mask, types))), torch.from_numpy(wanted)


def _export(model: TaggerModel, out: Path) -> None:
    model.eval()
    ids = torch.tensor([[101, 2054, 2003, 102], [101, 2054, 102, 0]])
    axes = {0: "rows", 1: "pieces"}
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exact = Path(scratch) / "exact.onnx"
        with torch.inference_mode():
            torch.onnx.export(
                model,
                (ids, (ids != 0).long(), torch.zeros_like(ids)),
                str(exact),
                dynamo=False,
                opset_version=17,
                input_names=list(INPUTS),
                output_names=["scores"],
                dynamic_axes=dict.fromkeys((*INPUTS, "scores"), axes),
            )
        onnx.checker.check_model(str(exact))
        quantize_dynamic(exact, out / "names.onnx", per_channel=True, weight_type=QuantType.QInt8)
    shutil.copy(encoder_path() / "tokenizer.json", out / "tokenizer.json")


def _describe(out: Path, thresholds: Mapping[str, float]) -> None:
    described: dict[str, Any] = {
        "model": "names",
        "version": time.strftime("%Y.%m.%d", time.gmtime()),
        "kinds": list(KINDS),
        "thresholds": {kind: round(value, 3) for kind, value in thresholds.items()},
        "sha256": {
            name: hashlib.sha256((out / name).read_bytes()).hexdigest()
            for name in ("names.onnx", "tokenizer.json")
        },
        "attribution": list(ATTRIBUTION),
    }
    (out / "names.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def _thresholds(
    sentences: Sequence[Tagged], chances: Sequence[npt.NDArray[np.float32]]
) -> dict[str, float]:
    """For each kind, the threshold of the best word-level F-beta, the sources weighing the same."""
    found = {}
    for place, kind in enumerate(KINDS):
        scored = [
            (
                float(one[at, 1 + 2 * place] + one[at, 2 + 2 * place]),
                word_kind == kind,
                source.source,
            )
            for one, source in zip(chances, sentences, strict=True)
            for at, word_kind in enumerate(source.kinds)
        ]
        sources = sorted({source for _, wanted, source in scored if wanted})
        grid = [round(0.1 + 0.05 * step, 2) for step in range(17)]
        found[kind] = max(grid, key=lambda cut: _worth(scored, sources, cut, _BETA[kind]))
    return found


def _worth(
    scored: Sequence[tuple[float, bool, str]], sources: Sequence[str], cut: float, beta: float
) -> float:
    total = 0.0
    for source in sources:
        rows = [(score >= cut, wanted) for score, wanted, name in scored if name == source]
        total += _f_beta(rows, beta)
    return total / max(len(sources), 1)


def _f_beta(rows: Sequence[tuple[bool, bool]], beta: float) -> float:
    hits = sum(found and wanted for found, wanted in rows)
    misses = sum(wanted and not found for found, wanted in rows)
    alarms = sum(found and not wanted for found, wanted in rows)
    weight = beta**2
    return (1 + weight) * hits / max((1 + weight) * hits + weight * misses + alarms, 1e-9)


def _figures(
    sentences: Sequence[Tagged],
    chances: Sequence[npt.NDArray[np.float32]],
    thresholds: Mapping[str, float],
    how: str,
) -> dict[str, float]:
    """Word-level recall of each kind per source, and the share of ordinary words left alone."""
    found: dict[str, float] = {}
    for source in sorted({one.source for one in sentences}):
        chosen = [
            (one, made)
            for one, made in zip(sentences, chances, strict=True)
            if one.source == source
        ]
        taken = [
            (kind, any(made[at, 1 + 2 * p] + made[at, 2 + 2 * p] >= thresholds[k]
                       for p, k in enumerate(KINDS)))
            for one, made in chosen
            for at, kind in enumerate(one.kinds)
        ]  # fmt: skip
        for kind in KINDS:
            of_kind = [hit for word_kind, hit in taken if word_kind == kind]
            if of_kind:
                found[f"{source}, {how}: {kind} words taken"] = sum(of_kind) / len(of_kind)
        ordinary = [hit for word_kind, hit in taken if word_kind is None]
        found[f"{source}, {how}: ordinary words left"] = 1 - sum(ordinary) / max(len(ordinary), 1)
    return found


ATTRIBUTION = (
    "WNUT 2017, Derczynski et al., CC BY 4.0; changed: leaked rows removed",
    "Broad Twitter Corpus, Derczynski et al., COLING 2016, CC BY 4.0; changed: leaked rows removed",
    "Presidio-research, Microsoft, MIT; Fake Name Generator identities by the Fake Name Generator "
    "are licensed under a Creative Commons Attribution-Share Alike 3.0 United States License; "
    "changed: tokenised, split by template",
    "GoEmotions, Demszky et al., ACL 2020, Google Research, CC BY 4.0 (sentences that name nobody)",
    "all-MiniLM-L6-v2, sentence-transformers, Apache-2.0",
)

_CARD = """\
# Model card: names

Finds people's names, places, organisations and streets in an utterance: the first four layers of
all-MiniLM-L6-v2 with a label per word, dynamic int8, {megabytes:.1f} MB. It is one recogniser among
several in the redactor; the session's roster and the pattern recognisers stand beside it. Capitals
reach it as a hint, and four sentences in ten were trained without any, as speech arrives.

Thresholds, from dev: {thresholds}.

English in the main; of ten other
languages it knows a few hundred sentences of our own, so that it neither passes over every name
there nor masks every noun. Names are of many origins, but few of each. It misses rare names in
lower case and nicknames that are words. Do not rely on it alone.

## Dev figures (int8, by word)

Names and sentence shapes of `made` are other ones than in training; they are our own, and easy.

| set | share |
| --- | --- |
{rows}
## Training data and attribution

{sources}"""


def _write_card(
    path: Path, found: Mapping[str, float], thresholds: Mapping[str, float], size: int
) -> None:
    rows = "".join(f"| {name} | {value:.3f} |\n" for name, value in found.items())
    text = _CARD.format(
        megabytes=size / 1e6,
        thresholds=", ".join(f"{kind} {value:.2f}" for kind, value in thresholds.items()),
        rows=rows,
        sources="".join(f"- {line}\n" for line in ATTRIBUTION),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")

"""Train, calibrate, export and describe, from one call."""

import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from safety.classifiers.tokens import load_tokenizer
from safety.training.augment import unpunctuated
from safety.training.calibrate import calibrate_all
from safety.training.card import Outcome, write_card
from safety.training.corpus import Example, load
from safety.training.export import describe, export
from safety.training.fit import fit
from safety.training.measure import by_kind, decide, figures
from safety.training.model import SignalsModel, encoder_path
from safety.training.refit import refit
from safety.training.scoring import onnx_runner, score_all, torch_runner
from safety.training.shipped import state_of

DANGERS = ("toxicity", "self_harm", "injection")
JUDGED = (
    "annomi therapist macro-F1",
    "annomi client macro-F1",
    "mrda basic accuracy",
    "mrda form macro-F1",
    "goemotions emotion 28 macro-F1",
    "goemotions emotion Ekman macro-F1",
    "goemotions emotion sentiment macro-F1",
    "davidson davidson macro-F1",
    "convabuse toxicity macro-F1",
    "civil toxicity macro-F1",
    "ailuminate self_harm macro-F1",
    "heard self_harm macro-F1",
    "injection injection macro-F1",
)
WATCHED_ROWS = 2000  # of each set, while training


@dataclass(frozen=True)
class Plan:
    """What one training run is asked to do; `rows` caps each set, for a smoke run."""

    data: Path
    out: Path
    work: Path
    card: Path | None = None
    epochs: int = 3
    seed: int = 7
    rows: int | None = None
    threads: int = 1
    start: Path | None = None
    rate: float = 1.0
    share: float = 1.0
    checkpoints: Sequence[Path] = ()
    refit: Sequence[str] = ()
    sittings: str = ""

    def options(self) -> str:
        """The options that shaped the weights, as one would type them."""
        if self.checkpoints:
            shaped = ["--checkpoints", *(path.name for path in self.checkpoints)]
        else:
            named = {name: getattr(self, name) for name in ("epochs", "seed", "rate", "share")}
            shaped = [f"--{name} {value}" for name, value in named.items()]
        refitted = ["--refit", *self.refit] if self.refit else []
        return " ".join([*shaped, *refitted])


def say(message: str) -> None:
    """One progress line on stderr."""
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


def train(plan: Plan, report: Callable[[str], None] = say) -> Mapping[str, float]:
    """Run a plan; the dev figures of the exported file. With checkpoints, export their mean."""
    torch.set_num_threads(plan.threads)
    plan.work.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer(encoder_path() / "tokenizer.json")
    dev = flat(capped(load(plan.data, "dev"), plan.rows, plan.seed))
    torch.manual_seed(plan.seed)
    model = SignalsModel()
    best = plan.work / "checkpoint.pt"
    if plan.start is not None:
        model.load_state_dict({**model.state_dict(), **_state(plan.start)})
    if not plan.checkpoints:
        sets = capped(load(plan.data, "train"), plan.rows, plan.seed)
        report("training on " + ", ".join(f"{name} {len(rows)}" for name, rows in sets.items()))
        watched = flat(capped(load(plan.data, "dev"), plan.rows or WATCHED_ROWS, plan.seed))

        def judge(current: SignalsModel) -> float:
            raw = score_all(torch_runner(current), watched, tokenizer)
            found = figures(watched, decide(raw, calibrate_all(raw, watched)))
            report(json.dumps({name: round(value, 3) for name, value in found.items()}))
            return float(np.mean([found[name] for name in JUDGED if name in found]))

        fit(
            model,
            sets,
            tokenizer=tokenizer,
            epochs=plan.epochs,
            seed=plan.seed,
            checkpoint=best,
            judge=judge,
            report=report,
            rate=plan.rate,
            share=plan.share,
        )
    model.load_state_dict({**model.state_dict(), **_mean(plan.checkpoints or [best])})
    if plan.refit:
        sets = capped(load(plan.data, "train"), plan.rows, plan.seed)
        for danger in plan.refit:
            refit(model, danger, sets, tokenizer=tokenizer, seed=plan.seed, report=report)
        torch.save(model.state_dict(), plan.work / "refitted.pt")
    exact = score_all(torch_runner(model), dev, tokenizer)
    path = export(model, out=plan.out)
    run = onnx_runner(path)
    # Quantising moves scores, and by the company a text keeps: in service it comes alone, and so
    # it is calibrated.
    small = score_all(run, dev, tokenizer, rows=1)
    calibrations = calibrate_all(small, dev)
    describe(plan.out, calibrations, version=time.strftime("%Y.%m.%d", time.gmtime()))
    answers = decide(small, calibrations)
    bare = [bare_of(example) for example in dev if example.source == "mrda"]
    bare_answers = decide(score_all(run, bare, tokenizer, rows=1), calibrations)
    outcome = Outcome(
        exact=figures(dev, decide(exact, calibrate_all(exact, dev))),
        small=figures(dev, answers) | figures(bare, bare_answers),
        kinds={danger: by_kind(dev, answers, danger) for danger in DANGERS},
        size=path.stat().st_size,
        options=plan.options(),
        sittings=f", {plan.sittings}" if plan.sittings else "",
    )
    (plan.work / "figures.json").write_text(json.dumps(asdict(outcome), indent=1))
    if plan.card is not None:
        write_card(plan.card, outcome)
    return outcome.small


def _state(path: Path) -> Mapping[str, torch.Tensor]:
    """Weights to go on from: a checkpoint, or an exported file, which lacks what nothing uses."""
    if path.suffix == ".onnx":
        return state_of(path)
    return dict(torch.load(path, weights_only=True))


def _mean(paths: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The mean of several sittings' weights, which lie in one basin when they share a start.

    It often scores better than each of them: Wortsman et al., Model soups, ICML 2022.
    """
    states = [_state(path) for path in paths]
    common = set.intersection(*(set(state) for state in states))
    return {name: torch.stack([state[name] for state in states]).mean(0) for name in common}


def bare_of(example: Example) -> Example:
    """The example as a transcript without marks, under a name of its own."""
    previous = example.previous and unpunctuated(example.previous)
    return replace(
        example,
        text=unpunctuated(example.text),
        previous=previous,
        source=f"{example.source} without punctuation",
    )


def capped(
    sets: Mapping[str, Sequence[Example]], rows: int | None, seed: int
) -> dict[str, list[Example]]:
    """The sets, each cut to a random `rows` examples where a cap is given."""
    rng = random.Random(seed)
    return {
        name: rng.sample(list(examples), min(rows or len(examples), len(examples)))
        for name, examples in sets.items()
    }


def flat(sets: Mapping[str, Sequence[Example]]) -> list[Example]:
    """All examples of all sets."""
    return [example for examples in sets.values() for example in examples]

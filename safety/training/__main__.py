"""`python -m safety.training --data DIR --out DIR`: the training run without Django."""

import argparse
from pathlib import Path

from safety.training.run import Plan, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a training run, shared with the management command."""
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for model and description")
    parser.add_argument("--work", type=Path, default=Path(".data/training"))
    parser.add_argument("--card", type=Path, help="write the model card here")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rows", type=int, help="at most so many rows per set (a smoke run)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", type=Path, help="go on from a checkpoint or an exported file")
    parser.add_argument("--rate", type=float, default=1.0, help="scales the learning rates")
    parser.add_argument("--share", type=float, default=1.0, help="scales the larger sets")
    parser.add_argument(
        "--refit", nargs="*", default=(), help="dangers whose heads are fitted anew at the end"
    )
    parser.add_argument("--sittings", default="", help="what the card says of earlier sittings")
    parser.add_argument(
        "--checkpoints",
        type=Path,
        nargs="*",
        default=(),
        metavar="PATH",
        help="train nothing, export the mean of these weights",
    )


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan that parsed options ask for."""
    return Plan(**{name: getattr(options, name) for name in Plan.__dataclass_fields__})


if __name__ == "__main__":
    described = argparse.ArgumentParser(prog="python -m safety.training", description=__doc__)
    add_arguments(described)
    train(plan_of(described.parse_args()))

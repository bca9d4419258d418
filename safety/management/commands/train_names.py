from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Trains the recogniser of names and exports it with its description and card."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="folder of the labelled sets")
        parser.add_argument("--out", type=Path, required=True, help="folder for the model")
        parser.add_argument("--card", type=Path, help="write the model card here")
        parser.add_argument("--epochs", type=int, default=3)
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--rows", type=int, help="at most so many sentences (a smoke run)")

    def handle(
        self,
        *_: Any,
        data: Path,
        out: Path,
        card: Path | None,
        epochs: int,
        seed: int,
        rows: int | None,
        **__: Any,
    ) -> None:
        from safety.training.names import NamesPlan, train_names

        plan = NamesPlan(data, out, card, epochs, seed, rows)
        try:
            found = train_names(plan, self.stderr.write)
        except OSError as exc:
            raise CommandError(f"{exc.filename}: {exc.strerror}") from exc
        for name, value in found.items():
            self.stdout.write(f"{name}: {value:.3f}")

from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Trains the signals model and exports it with its description and card."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        from safety.training.__main__ import add_arguments

        add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        from safety.training.__main__ import plan_of
        from safety.training.run import train

        try:
            found = train(plan_of(Namespace(**options)))
        except OSError as exc:
            raise CommandError(f"{exc.filename}: {exc.strerror}") from exc
        for name, value in found.items():
            self.stdout.write(f"{name}: {value:.3f}")

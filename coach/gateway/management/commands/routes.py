"""The model routes: seed them from a file, list them with what was measured."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from coach.gateway.measured import measured
from coach.gateway.models import RegisteredRoute
from coach.gateway.registry import SEED_FILE, routes_from_environment, seed


class Command(BaseCommand):
    help = "Seed routes from a TOML file, or list them as JSON lines with measured figures."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["seed", "list"])
        parser.add_argument("--file", type=Path, default=SEED_FILE)

    def handle(self, *args: Any, what: str, file: Path, **options: Any) -> None:
        if what == "seed":
            try:
                made = seed(file)
            except (OSError, ValueError) as exc:
                raise CommandError(str(exc)) from exc
            self.stdout.write(f"{len(made)} routes registered: {', '.join(made) or 'none'}")
            return
        figures = measured()
        known = [
            (route.name, route.model, route.tier.value, route.stage.value, "environment")
            for route in routes_from_environment()
        ] + [
            (row.name, row.model, row.tier, row.stage, "registry")
            for row in RegisteredRoute.objects.all()
        ]
        for name, model, tier, stage, source in known:
            row = {"name": name, "model": model, "tier": tier, "stage": stage, "source": source}
            self.stdout.write(json.dumps(row | figures.get(name, {})))

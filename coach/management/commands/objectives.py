"""Prometheus' rules, Grafana's dashboards and the incident pages, from deploy/objectives.yaml."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from coach.ops.objectives.reading import ObjectivesUnreadable, objectives
from coach.ops.objectives.written import written


class Command(BaseCommand):
    help = "Write rules, rule tests, dashboards and incident pages from deploy/objectives.yaml."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="exit 1 if a file is out of step")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        try:
            files = written(objectives(), settings.BASE_DIR)
        except ObjectivesUnreadable as exc:
            raise CommandError(str(exc)) from exc
        stale = []
        for place, text in files.items():
            path = settings.BASE_DIR / place
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            stale.append(str(place))
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        if check and stale:
            raise CommandError(f"out of step: {', '.join(stale)}")
        self.stdout.write(f"{len(files)} files, {len(stale)} written")

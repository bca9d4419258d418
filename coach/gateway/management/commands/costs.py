"""What models have cost."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from coach.gateway.costs import KEYS, costs


class Command(BaseCommand):
    help = "Print what calls to models cost, dearest first, as JSON lines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", choices=sorted(KEYS), default="organisation")
        parser.add_argument("--days", type=int, default=30)

    def handle(self, *args: Any, by: str, days: int, **options: Any) -> None:
        for cost in costs(by, days=days):
            self.stdout.write(json.dumps(cost.as_json()))

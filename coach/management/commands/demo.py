"""Load the demo tenant and say how to get in."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from coach.demo.load import DemoRefused, load


class Command(BaseCommand):
    help = "Load the demo tenant (safe to repeat) and print its session, codes and log-ins."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            demo = load(progress=self.stderr.write).as_json()
        except DemoRefused as exc:
            raise CommandError(str(exc)) from exc
        if options["json"]:
            self.stdout.write(json.dumps(demo))
            return
        self.stdout.write(f"session      {demo['session']}")
        self.stdout.write(f"join code    {demo['join_code']}")
        for who in ("facilitator", "admin"):
            self.stdout.write(f"{who:<13}{demo[who]['username']} / {demo[who]['password']}")
        self.stdout.write(f"{'admin code':<13}{demo['admin']['code']} (a new one each half minute)")

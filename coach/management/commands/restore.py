"""A backup, put back."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from coach.ops.backup import BackupError, restore


class Command(BaseCommand):
    help = "Put a backup into an empty database. Then: `audit verify`, and erase again who left."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", type=Path)
        parser.add_argument(
            "--replace", action="store_true", help="in place of what is there, which is lost"
        )

    def handle(self, *args: Any, source: Path, replace: bool, **options: Any) -> None:
        try:
            put = restore(source, replace=replace)
        except (BackupError, OSError) as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(json.dumps({"made_at": put.made_at, "chains": len(put.chains)}))

"""Everything that is kept, into one file."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from coach.ops.backup import BackupError, backup


class Command(BaseCommand):
    help = "Write rows, wrapped keys, the audit and its anchors to OUT; VAULT_KEY is not in it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("out", type=Path)

    def handle(self, *args: Any, out: Path, **options: Any) -> None:
        try:
            made = backup(out, at=timezone.now())
        except (BackupError, OSError) as exc:
            raise CommandError(str(exc)) from exc
        told = {"made_at": made.made_at, "bytes": out.stat().st_size, "chains": len(made.chains)}
        self.stdout.write(json.dumps(told))

"""What the commands that map rows to rows have in common."""

from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError

from safety.errors import SafetyError
from safety.jsonlines import BadLine, dump, read

Row = dict[str, Any]
_REPORT_EVERY = 500


class RowsCommand(BaseCommand):
    """JSON Lines in on a file or standard input, one line out per line in, progress on stderr.

    A bad row ends the command with exit code 1 and one line that names the row, not its text.
    """

    required: ClassVar[Mapping[str, type]]
    optional: ClassVar[Mapping[str, type]] = {}
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", nargs="?", type=Path, help="JSON Lines; standard input if absent"
        )

    @abstractmethod
    def prepare(self, **options: Any) -> Callable[[Row], Row]:
        """The function that answers a row."""

    def handle(self, *_: Any, file: Path | None, **options: Any) -> None:
        count = 0
        try:
            answer = self.prepare(**options)
            for row in read(file, self.required, self.optional):
                self.stdout.write(dump(answer(row)))
                count += 1
                if count % _REPORT_EVERY == 0:
                    self.stderr.write(f"{count} rows")
        except BadLine as exc:
            raise CommandError(str(exc)) from exc
        except OSError as exc:
            raise CommandError(f"{file}: {exc.strerror}") from exc
        except SafetyError as exc:
            raise CommandError(f"row {count + 1}: {exc.reason}: {exc}") from exc

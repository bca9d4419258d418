"""`manage.py catalogues`: the catalogues in step with templates and code, and compiled."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from coach import catalogues


class Command(BaseCommand):
    help = "Write and compile the catalogues of the interface's languages (needs the dev extra)"

    def handle(self, *args: Any, **options: Any) -> None:
        untranslated = 0
        for language in catalogues.LANGUAGES:
            left = catalogues.update(language)
            untranslated += len(left)
            for message in left:
                self.stderr.write(f"{language}: {message!r}")
            self.stdout.write(f"{catalogues.po_path(language)}: {len(left)} to translate")
        if untranslated:
            raise CommandError(f"{untranslated} messages have no words yet")

"""Switch model use off, or on again; in force on all workers within a second."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from coach.gateway.models import Switch
from coach.gateway.routes import Role
from coach.models import Organisation, Session


class Command(BaseCommand):
    help = "Stop all calls to models: everywhere, for a feature, an organisation or a session."

    def add_arguments(self, parser: CommandParser) -> None:
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--everywhere", action="store_true")
        where.add_argument("--feature", choices=Role.values)
        where.add_argument("--organisation", metavar="SLUG")
        where.add_argument("--session", type=UUID)
        parser.add_argument("--off", action="store_true", help="let models be called again")

    def handle(self, *args: Any, off: bool, **options: Any) -> None:
        killed = not off
        if options["organisation"]:
            rows = Organisation.objects.filter(slug=options["organisation"])
            self.switch(rows.update(killed=killed), options["organisation"], killed)
        elif options["session"]:
            rows_of = Session.objects.filter(id=options["session"])
            self.switch(rows_of.update(killed=killed), str(options["session"]), killed)
        else:
            feature = options["feature"] or ""
            Switch.objects.update_or_create(feature=feature, defaults={"killed": killed})
            self.switch(1, feature or "everywhere", killed)

    def switch(self, changed: int, where: str, killed: bool) -> None:
        if not changed:
            raise CommandError(f"there is no {where}")
        self.stdout.write(f"{where}: models are {'off' if killed else 'on'}")

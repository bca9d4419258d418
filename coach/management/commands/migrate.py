"""`migrate` as Django has it, but by the owner's role, the vault included."""

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate

from coach import tenancy


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        return {"databases": self._aliases(options)}

    def handle(self, *args: Any, **options: Any) -> None:
        # A migration may have to touch the rows of every organisation.
        with tenancy.acting(tenancy.everywhere("command:migrate")):
            for alias in self._aliases(options):
                super().handle(*args, **{**options, "database": alias})

    def _aliases(self, options: dict[str, Any]) -> list[str]:
        return [options["database"]] if options["database"] else ["owner", "vault_owner"]

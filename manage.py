#!/usr/bin/env python
"""Run one of Sidecoach's commands: `python manage.py help` lists them."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coach.settings")
    from django.core.management import execute_from_command_line

    from coach import tenancy

    # Whoever has this shell has the database's password: organisations are kept from each other,
    # not from the operator. `serve` gives this up before it answers anybody.
    tenancy.enter(tenancy.everywhere(f"command:{''.join(sys.argv[1:2])}"))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

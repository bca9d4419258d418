"""The audit from the command line: verify its chains, or anchor them now."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from consent import anchors, audit


class Command(BaseCommand):
    help = "Verify the audit chains against their anchors, or write anchors now."

    def add_arguments(self, parser: CommandParser) -> None:
        jobs = parser.add_subparsers(dest="job", required=True)
        verifying = jobs.add_parser("verify", help="exits 1 and names the first bad row")
        anchoring = jobs.add_parser("anchor", help="add the chains' ends to the file")
        for job in (verifying, anchoring):
            job.add_argument("--anchors", type=Path, default=settings.AUDIT_ANCHORS)

    def handle(self, *args: Any, job: str, **options: Any) -> None:
        if job == "anchor":
            heads = audit.heads()
            anchors.append(options["anchors"], heads, at=timezone.now())
            self.stdout.write(json.dumps({"anchored": len(heads)}))
            return
        self.verify(options["anchors"])

    def verify(self, path: Path) -> None:
        try:
            known = anchors.read(path) if path.exists() else []
        except anchors.AnchorsUnreadable as exc:
            raise CommandError(str(exc)) from exc
        if not known:
            self.stderr.write(f"no anchors in {path.name}: a cut tail would not be seen")
        verdict = audit.verify(known)
        self.stdout.write(
            json.dumps(
                {"rows": verdict.rows, "chains": verdict.chains, "anchors": len(known),
                 "whole": verdict.fault is None}
            )
        )  # fmt: skip
        if (fault := verdict.fault) is not None:
            raise CommandError(f"chain {fault.organisation}, row {fault.seq}: {fault.reason}")

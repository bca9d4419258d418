"""Models by digest: verify those that are here, fetch those that are not."""

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from coach.ops import weights


class Command(BaseCommand):
    help = "Verify every model by its digest, offline; or fetch a manifest's from a registry."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        jobs = parser.add_subparsers(dest="job", required=True)
        verifying = jobs.add_parser("verify", help="exits 1 and names the models that are off")
        fetching = jobs.add_parser("fetch", help="from OCI, S3 or MinIO; WEIGHTS_TOKEN opens it")
        fetching.add_argument(
            "source", help="oci://registry/name, or the https address of a folder"
        )
        for job in (verifying, fetching):
            job.add_argument("--manifest", type=Path, default=weights.MANIFEST)
            job.add_argument("--into", type=Path, help="where a manifest's own files lie")

    def handle(self, *args: Any, job: str, **options: Any) -> None:
        try:
            known = weights.models(options["manifest"], into=options["into"])
        except weights.WeightsError as exc:
            raise CommandError(str(exc)) from exc
        off = []
        for model in known:
            row: dict[str, Any] = {
                "name": model.name,
                "licence": model.licence,
                "sha256": model.sha256,
            }
            try:
                if job == "fetch":
                    token = os.environ.get("WEIGHTS_TOKEN", "")
                    row["fetched"] = weights.fetch(model, options["source"], token=token)
                model.check()
            except weights.WeightsError as exc:
                off.append(str(exc))
                continue
            self.stdout.write(json.dumps(row))
        if off:
            raise CommandError("; ".join(off))

"""Playbooks from the command line: import, diff, publish, roll back, export, embed anew."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from rag import ingest, lifecycle
from rag.errors import RetrievalError
from rag.models import Playbook
from safety.errors import SafetyError


class Command(BaseCommand):
    help = "Import, compare, publish, roll back and export playbooks."

    def add_arguments(self, parser: CommandParser) -> None:
        jobs = parser.add_subparsers(dest="job", required=True)

        def job(name: str, help: str) -> CommandParser:
            made: CommandParser = jobs.add_parser(name, help=help)
            made.add_argument("--name", required=True, help="slug or name of the playbook")
            made.add_argument(
                "--organisation",
                type=UUID,
                default=settings.DEFAULT_ORGANISATION_ID,
                help="id; default: the organisation that is there from the start",
            )
            return made

        importing = job(
            "import", "read a .jsonl, .csv, .md, .docx or .pdf file as the next version"
        )
        importing.add_argument("file", type=Path)
        importing.add_argument("--publish", action="store_true")
        importing.add_argument("--dry-run", action="store_true", help="report, store nothing")
        importing.add_argument("--note", default="")
        comparing = job("diff", "entries added, removed and changed")
        comparing.add_argument("--old", type=int, help="default: the live version")
        comparing.add_argument("--new", type=int, help="default: the latest version")
        publishing = job("publish", "make a version the one that is searched")
        publishing.add_argument("--version-number", type=int, help="default: the latest")
        rolling = job("rollback", "publish an earlier version again")
        rolling.add_argument("--to", type=int, help="default: the one published before")
        exporting = job("export", "write a version as JSON Lines")
        exporting.add_argument("--version-number", type=int, help="default: the live version")
        exporting.add_argument("--file", type=Path, help="default: standard output")
        job("reembed", "embed the live version by the model that is set, then switch to it")

    def handle(self, *args: Any, job: str, **options: Any) -> None:
        jobs: dict[str, Callable[[dict[str, Any]], None]] = {
            "import": self.import_file,
            "diff": self.diff,
            "publish": self.publish,
            "rollback": self.roll_back,
            "export": self.export,
            "reembed": self.reembed,
        }
        try:
            jobs[job](options)
        except (RetrievalError, SafetyError) as exc:
            raise CommandError(str(exc) or exc.reason) from exc

    def import_file(self, options: dict[str, Any]) -> None:
        report = ingest.import_file(
            options["file"],
            organisation_id=options["organisation"],
            name=options["name"],
            publish=options["publish"],
            dry_run=options["dry_run"],
            note=options["note"],
            by="command line",
            progress=self.progress,
        )
        self.stdout.write(json.dumps(report.as_json()))

    def diff(self, options: dict[str, Any]) -> None:
        playbook = self.playbook(options)
        old = self.version(playbook, options["old"], default="live")
        new = self.version(playbook, options["new"], default="latest")
        change = lifecycle.difference(old, new)
        for sign, keys in (("+", change.added), ("-", change.removed), ("~", change.changed)):
            for key in keys:
                self.stdout.write(f"{sign} {key}")

    def publish(self, options: dict[str, Any]) -> None:
        playbook = self.playbook(options)
        version = self.version(playbook, options["version_number"], default="latest")
        ingest.refresh(version, by="command line")
        self.stdout.write(f"{lifecycle.publish(version.id, by='command line')} is live")

    def roll_back(self, options: dict[str, Any]) -> None:
        playbook = self.playbook(options)
        version = lifecycle.rollback(playbook, to=options["to"], by="command line")
        self.stdout.write(f"{version} is live")

    def export(self, options: dict[str, Any]) -> None:
        version = self.version(self.playbook(options), options["version_number"], default="live")
        lines = (json.dumps(row, ensure_ascii=False) for row in lifecycle.export(version))
        if options["file"] is None:
            for line in lines:
                self.stdout.write(line)
            return
        with options["file"].open("w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)

    def reembed(self, options: dict[str, Any]) -> None:
        version = self.version(self.playbook(options), None, default="live")
        done = lifecycle.reembed(
            version.id, ingest.encoder(), by="command line", progress=self.progress
        )
        self.stdout.write(f"{done} is searched by {done.embedding_model}")

    def playbook(self, options: dict[str, Any]) -> Playbook:
        return lifecycle.find(options["organisation"], options["name"])

    def version(self, playbook: Playbook, number: int | None, *, default: str) -> Any:
        if number is not None:
            return lifecycle.version(playbook, number)
        found = playbook.live_version if default == "live" else playbook.versions.first()
        if found is None:
            raise CommandError(f"{playbook.slug} has no {default} version")
        return found

    def progress(self, stage: str, done: int, total: int) -> None:
        self.stderr.write(f"{stage} {done}/{total}")

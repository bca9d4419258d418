"""Consent from the command line: subject rights, receipts, retention, keys, notices, records."""

import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.loader import render_to_string
from django.utils import timezone

from coach import tenancy
from coach.models import Member
from coach.reports.processing import records_of_processing
from coach.rooms import plain, retention
from coach.rooms.rights import erase_member, export_member
from consent import notices, receipts, rotation
from consent.errors import ConsentError, ReceiptInvalid


class Command(BaseCommand):
    help = "Export or erase a person, verify receipts, purge, change the vault's key, and more."

    def add_arguments(self, parser: CommandParser) -> None:
        jobs = parser.add_subparsers(dest="job", required=True)
        verifying = jobs.add_parser("verify", help="is this file a receipt of ours, unchanged?")
        verifying.add_argument("file", type=Path)
        exporting = jobs.add_parser("export", help="all that is kept of a participant, as JSON")
        exporting.add_argument("subject", type=UUID)
        exporting.add_argument("--html", type=Path, help="also write it as a page to read")
        erasing = jobs.add_parser("erase", help="remove all that is kept of a participant")
        erasing.add_argument("subject", type=UUID)
        erasing.add_argument("--yes", action="store_true", help="it cannot be undone")
        jobs.add_parser("purge", help="remove what is past its deadline")
        jobs.add_parser("rotate", help="wrap every person's key by the present VAULT_KEY")
        publishing = jobs.add_parser("publish", help="publish a notice, a TOML file a language")
        publishing.add_argument("words", nargs="+", metavar="LANGUAGE=FILE")
        publishing.add_argument("--keep-consent", action="store_true", help="ask nobody again")
        jobs.add_parser("processing", help="records of processing, GDPR Art. 30(1), as JSON")

    def handle(self, *args: Any, job: str, **options: Any) -> None:
        try:
            getattr(self, job)(options)
        except (ConsentError, OSError) as exc:
            raise CommandError(str(exc)) from exc

    def verify(self, options: dict[str, Any]) -> None:
        try:
            document = json.loads(options["file"].read_text(encoding="utf-8"))
        except ValueError as exc:
            raise ReceiptInvalid("the file is not JSON") from exc
        issued = receipts.verify(document)
        self.print({"valid": True, "issued_at": issued.isoformat()})

    def export(self, options: dict[str, Any]) -> None:
        member = self.member(options["subject"])
        with self.acting_for(member):
            exported = export_member(member)
        self.print(exported)
        if options["html"] is not None:
            page = render_to_string(
                "pages/export.html", {"export": exported, "parts": plain.parts(exported)}
            )
            options["html"].write_text(page, encoding="utf-8")

    def erase(self, options: dict[str, Any]) -> None:
        if not options["yes"]:
            raise CommandError("erasing cannot be undone; say --yes")
        member = self.member(options["subject"])
        with self.acting_for(member):
            self.print(erase_member(member))

    def purge(self, options: dict[str, Any]) -> None:
        removed: Counter[str] = Counter()
        for kind, rows in retention.purge(at=timezone.now()):
            removed[kind] += rows
            self.stderr.write(f"{kind} {removed[kind]}")
        self.print({"removed": dict(removed), "overdue": retention.overdue(at=timezone.now())})

    def rotate(self, options: dict[str, Any]) -> None:
        rewrapped = 0
        for count in rotation.rotate():
            rewrapped += count
            self.stderr.write(f"keys {rewrapped}")
        self.print({"rewrapped": rewrapped})

    def publish(self, options: dict[str, Any]) -> None:
        words = {}
        for pair in options["words"]:
            locale, _, file = pair.partition("=")
            try:
                words[locale] = notices.read_words(Path(file))
            except (KeyError, ValueError) as exc:
                raise CommandError(f"{file} has no title and text, or is no TOML") from exc
        version = notices.publish(words, asks_again=not options["keep_consent"])
        self.print({"version": version, "languages": sorted(words)})

    def processing(self, options: dict[str, Any]) -> None:
        for record in records_of_processing():
            self.print(record)

    def member(self, subject: UUID) -> Member:
        try:
            return Member.objects.get(id=subject, role=Member.Role.PARTICIPANT)
        except ObjectDoesNotExist as exc:
            raise CommandError(f"there is no participant {subject}") from exc

    def acting_for(self, member: Member) -> Any:
        actor = tenancy.current().actor
        return tenancy.acting(tenancy.of([member.organisation_id], actor=actor))

    def print(self, row: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(row, default=str, ensure_ascii=False))

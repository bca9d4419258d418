"""Backup, erase the database, restore: sessions, consent and the audit are there and verify."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from coach import embedded

# Somebody joins, says what is theirs and takes a part of it back.
LIVE = """
import json, uuid
from django.contrib.auth import get_user_model
from coach.models import Organisation, Session
from coach.rooms.joining import join
from consent import choices, notices
from consent.registry import Purpose
notices.seed()
user = get_user_model().objects.create(username=uuid.uuid4().hex)
organisation = Organisation.objects.create(slug=uuid.uuid4().hex[:12], name="Rowan")
session = Session.objects.create(organisation=organisation, facilitator=user, title="T")
member = join(session.join_code, display_name="Ada", goal="finish the report",
              consent={"coaching": ["utterance", "goal"], "quality": ["utterance"]}).member
choices.withdraw(member.id, Purpose.QUALITY)
print(json.dumps({"member": str(member.id)}))
"""
LOOK = """
import json, sys
from coach import tenancy
from coach.models import Member, Session
from coach.rooms.rights import export_member
from consent.models import ConsentEvent, Record
member = Member.objects.get(id=sys.argv[1])
with tenancy.acting(tenancy.of([member.organisation_id], actor="test")):
    about = export_member(member)["about_you"]
told = {"sessions": Session.objects.count(), "members": Member.objects.count(),
        "events": ConsentEvent.objects.count(), "about": about,
        "allowed": Record.objects.live().filter(subject=member.id).by_purpose()}
print(json.dumps(told, default=str))
"""
BEGIN = """
import django, sys
django.setup()
from coach import tenancy
tenancy.enter(tenancy.everywhere("test"))
"""


class Copy:
    """A database of its own on this run's server, and commands that use it."""

    def __init__(self, data: Path) -> None:
        self.name = f"test_backup_{os.getpid()}"
        self.server = embedded.cluster(settings.DATA_DIR).url("postgres", "postgres")
        self.anchors = data
        self.environment = {**os.environ, "DATABASE_NAME": self.name}

    def drop(self) -> None:
        with psycopg.connect(self.server, autocommit=True) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def manage(self, *arguments: str, fails: bool = False) -> str:
        return self._run([sys.executable, "manage.py", *arguments], fails)

    def python(self, program: str, *arguments: str) -> dict[str, object]:
        told = self._run([sys.executable, "-c", BEGIN + program, *arguments], fails=False)
        found: dict[str, object] = json.loads(told.splitlines()[-1])
        return found

    def _run(self, command: list[str], fails: bool) -> str:
        done = subprocess.run(
            command, cwd=settings.BASE_DIR, env=self.environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert bool(done.returncode) == fails, done.stderr[-2000:]
        return done.stderr if fails else done.stdout


# A dozen processes, each of which begins with all of the application.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def copy(scratch: Path, database: None) -> Iterator[Copy]:
    made = Copy(scratch)
    made.drop()
    yield made
    made.drop()


def test_after_a_restore_sessions_consent_and_audit_are_there_and_verify(copy, scratch):
    file = scratch / "backup.tar"
    copy.manage("migrate", "--verbosity", "0")
    member = str(copy.python(LIVE)["member"])
    copy.manage("audit", "anchor", "--anchors", str(scratch / "anchors.jsonl"))
    before = copy.python(LOOK, member)
    assert json.loads(copy.manage("backup", str(file)))["bytes"] > 10_000
    copy.manage("restore", str(file), fails=True)
    copy.drop()
    copy.manage("restore", str(file))
    assert copy.python(LOOK, member) == before
    assert "finish the report" in json.dumps(before)
    told = json.loads(
        copy.manage("audit", "verify", "--anchors", str(scratch / "anchors.jsonl")).splitlines()[-1]
    )
    assert told["whole"] is True
    assert told["rows"] >= 2
    # The application's role is still bound: it owns nothing, and row-level security is forced.
    with psycopg.connect(
        embedded.cluster(settings.DATA_DIR).url(embedded.APP, copy.name)
    ) as application:
        assert application.execute("SELECT count(*) FROM coach_session").fetchone() == (0,)
    copy.manage("migrate", "--check")
    # What came after the backup goes when it is put in place of it.
    other = str(copy.python(LIVE)["member"])
    assert copy.python(LOOK, other)["members"] != before["members"]
    copy.manage("restore", str(file), "--replace")
    assert copy.python(LOOK, member) == before


def test_the_key_is_not_in_the_backup_and_a_changed_backup_is_refused(copy, scratch):
    file, other = scratch / "backup.tar", scratch / "other.tar"
    copy.manage("migrate", "--verbosity", "0")
    copy.manage("backup", str(file))
    assert settings.VAULT_KEY.encode() not in file.read_bytes()
    with tarfile.open(file) as archive:
        archive.extractall(scratch / "parts", filter="data")
    dump = scratch / "parts" / "database.dump"
    dump.write_bytes(dump.read_bytes() + b"!")
    with tarfile.open(other, "w") as archive:
        for path in (scratch / "parts").iterdir():
            archive.add(path, arcname=path.name)
    assert "was changed" in copy.manage("restore", str(other), "--replace", fails=True)
    other.write_bytes(b"no archive")
    assert "is no backup" in copy.manage("restore", str(other), "--replace", fails=True)

import json
import random
import threading
import uuid
from contextvars import copy_context

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from django.utils import timezone

from consent import anchors, audit, choices
from consent.audit import Anchor
from consent.models import AuditEntry, AuditHead, Subject

ROWS, ANCHOR_EVERY, TAMPERS = 60, 10, 1_000


def lengthen(chain: uuid.UUID, rows: int) -> list[Anchor]:
    """Rows for a chain; the anchors that were taken on the way."""
    kept = []
    for number in range(1, rows + 1):
        audit.record("looked", organisation_id=chain, subject_id=uuid.uuid4(), number=number)
        if number % ANCHOR_EVERY == 0:
            kept += [head for head in audit.heads() if head.organisation == chain]
    return kept


def fault(chain: uuid.UUID, known: list[Anchor]) -> audit.Fault:
    found = audit.verify(known, chain=chain).fault
    assert found is not None
    return found


def test_a_chain_as_it_was_written_is_whole():
    chain = uuid.uuid4()
    verdict = audit.verify(lengthen(chain, ROWS), chain=chain)
    assert (verdict.rows, verdict.chains, verdict.fault) == (ROWS, 1, None)


def test_disclosures_and_choices_enter_it_by_themselves(ada):
    choices.grant(ada, {"coaching": ["utterance"]})
    choices.withdraw(ada, "coaching")
    entries = AuditEntry.objects.filter(subject_id=ada).order_by("seq")
    assert [e.action for e in entries] == ["granted", "withdrawn"]
    assert entries[0].body["fields"] == ["utterance"]
    assert entries[0].actor == "tests"


def test_writers_at_once_make_one_chain_without_a_gap():
    chain = uuid.uuid4()

    def write() -> None:
        for number in range(50):
            audit.record("looked", organisation_id=chain, number=number)
        connections["vault"].close()

    threads = [threading.Thread(target=copy_context().run, args=(write,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdict = audit.verify(chain=chain)
    assert (verdict.rows, verdict.fault) == (400, None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_auditentry SET actor = 'x'",
        "DELETE FROM consent_auditentry",
        "TRUNCATE consent_auditentry",
        "UPDATE consent_audithead SET seq = 0",
        "INSERT INTO consent_audithead VALUES (gen_random_uuid(), 1, '')",
        "ALTER TABLE consent_auditentry DISABLE TRIGGER ALL",
        "UPDATE consent_disclosure SET fields = '{}'",
        "DELETE FROM consent_consentevent",
    ],
)
def test_the_application_can_only_add(statement):
    with connections["vault"].cursor() as cursor, pytest.raises(DatabaseError):
        cursor.execute(statement)


def test_a_writer_chooses_neither_number_nor_link_nor_time():
    chain = uuid.uuid4()
    made = AuditEntry.objects.create(
        organisation_id=chain, action="x", seq=70, link=b"forged", at=timezone.now().replace(2001)
    )
    kept = AuditEntry.objects.get(id=made.id)
    assert (kept.seq, len(bytes(kept.link)), kept.at.year > 2020) == (1, 32, True)


class Tamper:
    """Ways to change a chain, each by a superuser; they give the first row that is off."""

    def __init__(self, superuser, chain: uuid.UUID, rng: random.Random) -> None:
        self.db, self.chain, self.rng = superuser, chain, rng

    def run(self, statement: str, *params: object) -> None:
        self.db.execute("SET session_replication_role = replica")
        self.db.execute(statement, params)
        self.db.execute("SET session_replication_role = origin")

    def edit(self) -> int:
        at = self.rng.randint(1, ROWS)
        change = self.rng.choice(
            [
                "actor = 'nobody'", "action = 'slept'", "subject_id = gen_random_uuid()",
                "at = at - interval '1 microsecond'", """body = body || '{"number": -1}'""",
                "link = sha256(link)", "subject_id = NULL",
            ]
        )  # fmt: skip
        self.run(
            f"UPDATE consent_auditentry SET {change} WHERE organisation_id = %s AND seq = %s",
            self.chain, at,
        )  # fmt: skip
        return at

    def delete(self) -> int:
        at = self.rng.randint(1, ROWS - 1)
        self.run(
            "DELETE FROM consent_auditentry WHERE organisation_id = %s AND seq = %s",
            self.chain, at,
        )  # fmt: skip
        if self.rng.random() < 0.5:
            self.shift(at, -1)
            return at
        return at

    def insert(self) -> int:
        at = self.rng.randint(1, ROWS)
        self.shift(at - 1, 1)
        self.run(
            "INSERT INTO consent_auditentry (organisation_id, seq, at, action, body, link)"
            " VALUES (%s, %s, now(), 'looked', '{}', sha256('x'))",
            self.chain, at,
        )  # fmt: skip
        return at

    def swap(self) -> int:
        one, other = sorted(self.rng.sample(range(1, ROWS + 1), 2))
        self.run(
            "UPDATE consent_auditentry e SET body = o.body, subject_id = o.subject_id"
            " FROM consent_auditentry o WHERE e.organisation_id = %s AND o.organisation_id = %s"
            " AND e.seq = ANY(%s) AND o.seq = ANY(%s) AND e.seq <> o.seq",
            self.chain, self.chain, [one, other], [one, other],
        )  # fmt: skip
        return one

    def cut(self) -> int:
        at = self.rng.randint(1, ROWS)
        self.behead(at)
        return at

    def append_again(self) -> int:
        """As good as it gets: everything from a row on is made anew, links, head and all."""
        at = self.rng.randint(1, ROWS)
        self.behead(at)
        self.db.execute(
            "INSERT INTO consent_auditentry (organisation_id, action, body)"
            " SELECT %s, 'looked', '{}' FROM generate_series(%s::int, %s::int)",
            [self.chain, at, ROWS + self.rng.randint(0, 5)],
        )
        return at

    def behead(self, at: int) -> None:
        self.run(
            "DELETE FROM consent_auditentry WHERE organisation_id = %s AND seq >= %s",
            self.chain, at,
        )  # fmt: skip
        self.run(
            "UPDATE consent_audithead SET seq = %s, link = coalesce((SELECT link FROM"
            " consent_auditentry e WHERE e.organisation_id = %s AND e.seq = %s), '')"
            " WHERE organisation_id = %s",
            at - 1, self.chain, at - 1, self.chain,
        )  # fmt: skip

    def shift(self, after: int, by: int) -> None:
        # In two steps, as the numbers are unique at each moment.
        for step, condition in ((1_000_000, f"seq > {after}"), (by - 1_000_000, "seq > 900000")):
            self.run(
                f"UPDATE consent_auditentry SET seq = seq + {step}"
                f" WHERE organisation_id = %s AND {condition}",
                self.chain,
            )


def test_a_thousand_tampers_are_all_found_and_the_first_bad_row_is_named(superuser):
    chain, rng = uuid.uuid4(), random.Random(11)
    known = lengthen(chain, ROWS)
    tamper = Tamper(superuser, chain, rng)
    kinds = [
        tamper.edit, tamper.delete, tamper.insert, tamper.swap, tamper.cut, tamper.append_again,
    ]  # fmt: skip
    superuser.execute(
        "CREATE TEMP TABLE kept AS SELECT * FROM consent_auditentry WHERE organisation_id = %s",
        [chain],
    )
    head = superuser.execute(
        "SELECT seq, link FROM consent_audithead WHERE organisation_id = %s", [chain]
    ).fetchone()
    unnamed = []
    for turn in range(TAMPERS):
        kind = kinds[turn % len(kinds)]
        first = kind()
        found = fault(chain, known)
        if kind == tamper.append_again:
            # Which row of a chain that fits itself was the first is known as far as its anchors.
            named = first - ANCHOR_EVERY < found.seq <= first
        else:
            named = found.seq == first
        unnamed += [] if named else [(kind.__name__, first, found)]
        tamper.run("DELETE FROM consent_auditentry WHERE organisation_id = %s", chain)
        tamper.run("INSERT INTO consent_auditentry OVERRIDING SYSTEM VALUE SELECT * FROM kept")
        tamper.run(
            "UPDATE consent_audithead SET seq = %s, link = %s WHERE organisation_id = %s",
            *head, chain,
        )  # fmt: skip
    superuser.execute("DROP TABLE kept")
    assert unnamed == []
    assert audit.verify(known, chain=chain).fault is None


def test_a_chain_that_is_wholly_gone_is_missed(superuser):
    chain = uuid.uuid4()
    known = lengthen(chain, ROWS)
    Tamper(superuser, chain, random.Random(1)).behead(1)
    assert fault(chain, known).reason.startswith("the whole chain")


def test_a_disclosure_that_the_chain_does_not_know_is_found(ada, superuser):
    whose = Subject.objects.get(id=ada).organisation_id
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(
        "INSERT INTO consent_disclosure VALUES (gen_random_uuid(), %s, 'coaching', '{goal}', '{}',"
        " 'x', NULL, now(), %s)",
        [ada, whose],
    )
    superuser.execute("SET session_replication_role = origin")
    choices.grant(ada, {"coaching": ["goal"]})
    assert "disclosure" in fault(whose, []).reason
    superuser.execute("DELETE FROM consent_disclosure WHERE subject_id = %s", [ada])


def test_the_command_names_the_row_and_fails(superuser, scratch, capsys):
    chain, file = uuid.uuid4(), scratch / "anchors.jsonl"
    lengthen(chain, 5)
    call_command("audit", "anchor", "--anchors", str(file))
    capsys.readouterr()
    call_command("audit", "verify", "--anchors", str(file))
    said = json.loads(capsys.readouterr().out)
    assert said["whole"]
    assert said["anchors"] == AuditHead.objects.count()
    Tamper(superuser, chain, random.Random(1)).behead(4)
    with pytest.raises(CommandError, match=f"chain {chain}, row 4: cut"):
        call_command("audit", "verify", "--anchors", str(file))
    superuser.execute("DELETE FROM consent_auditentry WHERE organisation_id = %s", [chain])
    superuser.execute("DELETE FROM consent_audithead WHERE organisation_id = %s", [chain])


def test_a_line_that_is_no_anchor_is_an_error(scratch):
    file = scratch / "anchors.jsonl"
    file.write_text("{}\n")
    with pytest.raises(anchors.AnchorsUnreadable, match="line 1"):
        anchors.read(file)

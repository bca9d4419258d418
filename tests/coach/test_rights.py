"""What is kept of a person is known, given out whole, and gone when it is erased."""

import base64
import json
import urllib.request
import uuid
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from coach import embedded
from coach.live.client import LiveClient
from coach.models import Event, Member, Utterance
from coach.rooms import retention
from coach.rooms.keeping import IMPERSONAL, KEPT
from coach.rooms.rights import export_member
from consent import audit, receipts
from consent.models import AuditEntry, Record, Subject
from tests.people import EVERYTHING

SPOKEN = "a sentence with {} in it"
WRITTEN = {
    "display_name": "Quillonbray",
    "goal": "finish the vermilliondrake plan",
    "profile_note": "I have a harrowgatefen condition",
}


def test_every_table_says_how_it_is_kept_and_who_erases_it():
    ours = {
        m
        for label in ("coach", "consent", "rag")
        for m in apps.get_app_config(label).get_models()
        if label != "rag"
    }
    kept = {entry.model for entry in KEPT}
    assert ours - kept - IMPERSONAL.keys() == set(), "neither in KEPT nor in IMPERSONAL"
    assert kept.isdisjoint(IMPERSONAL)
    for entry in KEPT:
        assert entry.retention
        assert entry.erase or entry.why or "proof" in str(entry.retention), entry.model


def dump() -> str:
    """Every row of every table of both schemas, as text."""
    here = embedded.cluster(settings.DATA_DIR)
    with psycopg.connect(here.url("postgres", settings.ENV.database_name)) as superuser:
        tables = superuser.execute(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables"
            " WHERE table_schema IN ('public', 'vault') AND table_type = 'BASE TABLE'"
        ).fetchall()
        return "\n".join(
            row
            for (table,) in tables
            for (row,) in superuser.execute(f"SELECT t::text FROM {table} t")
        )


def files() -> str:
    """Every file that lies beside the database: logs of servers, anchors of the audit."""
    kept = [path for path in Path(settings.DATA_DIR).glob("*.*") if path.is_file()]
    return "\n".join(path.read_text(errors="replace") for path in kept)


def forms(canary: str) -> set[str]:
    """How a word may lie hidden: as it is, in small letters, in base64 at any offset, in hex."""
    raw = canary.encode()
    coded = {
        base64.b64encode(b"x" * shift + raw).decode().rstrip("=")[-(len(raw) * 4 // 3 - 3) :][:-2]
        for shift in range(3)
    }
    return {canary, canary.lower(), raw.hex(), *coded}


def test_a_hidden_word_would_be_found():
    for shift in range(6):
        hidden = base64.b64encode(b"y" * shift + b"vermilliondrake" + b"z" * 5).decode()
        assert any(form in hidden for form in forms("vermilliondrake")), shift


async def test_after_erasure_no_word_of_theirs_is_left_anywhere(room, fay):
    """A canary in every place that a person can write to; then erase; then read everything."""
    ticket = await room.ticket(
        WRITTEN["display_name"],
        EVERYTHING,
        goal=WRITTEN["goal"],
        profile_note=WRITTEN["profile_note"],
    )
    canaries = {
        "Quillonbray", "vermilliondrake", "harrowgatefen", "zebracanary", "yakcanary",
        "wolverfold", "yarrowkeep",
    }  # fmt: skip
    async with LiveClient(room.server.ws, ticket) as ada:
        nudge = (await ada.ask(SPOKEN.format("zebracanary"))).terminals[0]["nudge"]
        verdict = {
            "type": "feedback",
            "nudge": nudge,
            "verdict": "edited",
            "text": "try yakcanary before you decide",
        }
        await ada.send(verdict)
        await ada.until("nudge.feedback")
        await ada.send({"type": "draft", "text": "wolverfold is what I mean"})
        about = f"?session={room.session}"
        await room.api.call(
            "POST", f"consent/correct/{about}", {"goal": "yarrowkeep first"}, token=ticket.token
        )
        before = dump()
        assert any(form in before for form in forms("zebracanary"))
        exported = json.dumps(
            await room.api.call("GET", f"consent/export/{about}", token=ticket.token)
        )
        for canary in canaries - {"vermilliondrake", "wolverfold"}:
            assert canary in exported, canary
        done = await room.api.call(
            "POST", f"consent/erase/{about}", {"confirm": True}, token=ticket.token
        )
    left = dump() + files()
    found = [c for c in canaries for form in forms(c) if form in left or form in left.lower()]
    assert found == []
    assert receipts.verify(done)
    assert done["receipt_metadata"]["kind"] == "erasure"
    assert Subject.objects.get(id=ticket.member).wrapped_key is None
    whose = Subject.objects.get(id=ticket.member).organisation_id
    assert audit.verify(chain=whose).fault is None


async def test_erasing_twice_is_no_fault_and_leaves_no_second_trace(room):
    from coach.rooms.rights import erase_member

    ticket = await room.ticket("Ada", EVERYTHING)
    member = Member.objects.get(id=ticket.member)
    first, second = erase_member(member), erase_member(member)
    assert first["event"] == second["event"]


async def test_the_commands_export_verify_and_erase(room, scratch, capsys):
    ticket = await room.ticket("Ada", EVERYTHING, goal="Leave at five")
    page, file = scratch / "ada.html", scratch / "receipt.json"
    call_command("consent", "export", ticket.member, "--html", str(page))
    exported = json.loads(capsys.readouterr().out)
    assert exported["about_you"]["goal"] == "Leave at five"
    assert "Leave at five" in page.read_text()
    file.write_text(json.dumps(exported["receipt"]))
    call_command("consent", "verify", str(file))
    assert json.loads(capsys.readouterr().out)["valid"]
    file.write_text(file.read_text().replace('"export"', '"erasure"', 1))
    with pytest.raises(CommandError, match="changed"):
        call_command("consent", "verify", str(file))
    with pytest.raises(CommandError, match="--yes"):
        call_command("consent", "erase", ticket.member)
    call_command("consent", "erase", ticket.member, "--yes")
    assert "Leave at" not in str(export_member(Member.objects.get(id=ticket.member)))
    by = set(AuditEntry.objects.filter(subject_id=ticket.member).values_list("actor", flat=True))
    assert "tests" in by


def age(superuser, session: str, days: int) -> None:
    """Make all of a session's rows older."""
    for table, column in (("utterance", "accepted_at"), ("nudge", "created_at"), ("alert", "at")):
        superuser.execute(
            f"UPDATE coach_{table} SET {column} = {column} - %s * interval '1 day'"
            " WHERE session_id = %s",
            [days, session],
        )
    superuser.execute(
        "UPDATE coach_event e SET at = at - %s * interval '1 day' FROM coach_stream s"
        " WHERE s.id = e.stream_id AND s.session_id = %s",
        [days, session],
    )


async def test_what_is_past_its_deadline_goes_and_nothing_else(room, fay, superuser):
    consents = {"plain": EVERYTHING, "quality": EVERYTHING | {"quality": ["utterance"]}}
    tickets = {name: await room.ticket(name, consents[name]) for name in consents}
    for ticket in tickets.values():
        async with LiveClient(room.server.ws, ticket) as person:
            await person.ask("I keep putting off the report")
    # The facilitators are told last; what is written after its row was aged is a day old, not 31.
    await fay.until("utterance", seen=len(tickets) - 1)
    members = {name: ticket.member for name, ticket in tickets.items()}
    mine = Event.objects.filter(stream__session_id=room.session)

    def left() -> dict[str, int]:
        return {n: Utterance.objects.filter(member=m).count() for n, m in members.items()}

    age(superuser, room.session, 29)
    assert sum(n for _, n in retention.purge(at=timezone.now())) == 0
    assert left() == {"plain": 1, "quality": 1}
    assert mine.exists()
    age(superuser, room.session, 2)
    before = retention.overdue(at=timezone.now())
    with urllib.request.urlopen(f"{room.server.http}/metrics/alerts") as answer:
        alerts = [a for a in json.load(answer)["alerts"] if a["name"] == "RetentionWarning"]
    assert {alert["kind"]: alert["value"] for alert in alerts}["utterance"] == 1
    assert (before["utterance"], before["event"] > 0) == (1, True)
    call_command("consent", "purge")
    assert left() == {"plain": 0, "quality": 1}
    assert not mine.exists()
    assert set(retention.overdue(at=timezone.now()).values()) == {0}
    assert list(retention.purge(at=timezone.now())) == []
    age(superuser, room.session, 60)
    call_command("consent", "purge")
    assert left() == {"plain": 0, "quality": 0}


async def test_two_purges_do_not_meet(room, superuser):
    ticket = await room.ticket("Ada", EVERYTHING)
    async with LiveClient(room.server.ws, ticket) as person:
        await person.ask("I keep putting off the report")
    age(superuser, room.session, 40)
    superuser.execute("SELECT pg_advisory_lock(%s)", [retention.LOCK])
    assert list(retention.purge(at=timezone.now())) == []
    superuser.execute("SELECT pg_advisory_unlock(%s)", [retention.LOCK])
    assert sum(n for _, n in retention.purge(at=timezone.now())) > 0


async def test_the_vaults_key_is_changed_while_people_talk(room, settings, capsys):
    ticket = await room.ticket("Ada", EVERYTHING, goal="Leave at five")
    from consent import choices

    settings.VAULT_KEY, settings.VAULT_KEYS_BEFORE = "another", [settings.VAULT_KEY]
    assert choices.stored_values(uuid.UUID(ticket.member))["goal"] == "Leave at five"
    call_command("consent", "rotate")
    assert json.loads(capsys.readouterr().out)["rewrapped"] >= 1
    old = settings.VAULT_KEYS_BEFORE
    settings.VAULT_KEYS_BEFORE = []
    assert choices.stored_values(uuid.UUID(ticket.member))["goal"] == "Leave at five"
    call_command("consent", "rotate")
    assert json.loads(capsys.readouterr().out)["rewrapped"] == 0
    # Back to the key of the server that this run shares.
    settings.VAULT_KEY, settings.VAULT_KEYS_BEFORE = old[0], ["another"]
    call_command("consent", "rotate")


def test_the_records_of_processing_hold_a_to_g(demo, capsys):
    call_command("consent", "processing")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ours = [row for row in rows if row["a_controller"]["name"] == "Demo"]
    assert {row["b_purpose"]["key"] for row in ours} >= {"coaching", "facilitator_view"}
    for row in ours:
        assert [key[0] for key in row] == list("abcdefg")
        assert row["f_erasure"]["days"] > 0
        assert "coach_utterance" in row["f_erasure"]["tables"]


async def test_a_grant_has_an_end_and_says_how_it_was_given(room):
    ticket = await room.ticket("Ada", EVERYTHING)
    record = Record.objects.filter(subject=ticket.member, field="profile_note").get()
    assert record.legal_basis == "explicit_consent"
    assert record.proof["how"] == "joining"
    assert record.expires_at is not None
    assert timedelta(days=364) < record.expires_at - record.granted_at <= timedelta(days=365)

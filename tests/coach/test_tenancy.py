"""Row-level security: what a query without any filter of ours still does not see."""

import asyncio
import random
import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError as DjangoDatabaseError
from django.db import connections, transaction
from django.utils import timezone

from coach import tenancy
from coach.cadence.models import Firing, TriggerRule
from coach.database import Database
from coach.databases import tenant_column
from coach.gateway.models import Budget, KeptDraft, Line, ModelCall, Pace, Spend
from coach.lexicons.models import Term as LexiconTerm
from coach.models import (
    Alert,
    Event,
    Feedback,
    Nudge,
    Organisation,
    Session,
    Staff,
    Stream,
    Utterance,
)
from coach.reports.models import Report
from coach.rooms.access import issue_token
from coach.rooms.joining import join
from consent import notices
from consent.models import ClosedPurpose, Disclosure
from rag.models import (
    Entry,
    Facet,
    Passage,
    Phrase,
    Playbook,
    PlaybookVersion,
    Term,
    Upload,
    Vector,
    VersionEvent,
)
from tests.proofs import repeats

ROOT = Path(__file__).parents[2]
QUERIES, AT_ONCE = repeats(2_000, full=10_000), 40
# What no organisation owns: what may be asked for, and the words of the notice.
NOBODYS = {
    "Purpose", "Field", "PolicyRule", "Notice", "SigningKey", "RegisteredRoute", "Trial", "Switch",
}  # fmt: skip
# Code that acts for every organisation, and why it cannot do otherwise.
EVERYWHERE = {
    "manage.py": "a command of the operator's",
    "coach/management/commands/migrate.py": "a migration fills every row",
    "coach/rooms/access.py": "whose token or log-in this is, before anybody knows",
    "coach/rooms/joining.py": "whose code this is, before anybody knows",
    "coach/gateway/watch.py": "the plan of routes, switches and what is used, for every tenant",
    "coach/live/watch.py": "the watch over all sockets of a worker",
    "coach/desk/door.py": "the list of organisations, to choose one from",
    "coach/ops/notary.py": "the anchors of every chain",
    "coach/ops/health.py": "figures of every organisation, for whoever operates",
    "coach/ops/beat.py": "short names, budgets, costs and deadlines of every organisation",
}


def models():
    for label in ("coach", "gateway", "reports", "lexicons", "cadence", "consent", "rag"):
        yield from (m for m in apps.get_app_config(label).get_models() if m._meta.managed)


def alias_of(model):
    return "vault" if model._meta.app_label == "consent" else "default"


TENANTS = [model for model in models() if tenant_column(model)]


def fill(user) -> uuid.UUID:
    """An organisation with a row in every table."""
    organisation = Organisation.objects.create(slug=uuid.uuid4().hex[:12], name="Rowan")
    key = organisation.id
    with tenancy.acting(tenancy.of([key], actor="test")):
        Staff.objects.create(user=user, organisation=organisation, role="facilitator")
        issue_token(user=user)
        session = Session.objects.create(organisation=organisation, facilitator=user, title="T")
        member = join(
            session.join_code, display_name="Ada", consent={"coaching": ["utterance"]}, goal="g"
        ).member
        said = Utterance.objects.create(
            session=session, member=member, client_msg_id=uuid.uuid4(), digest=b"d", text="t",
            lease_until=timezone.now(), outcome="no_nudge", finished_at=timezone.now(),
        )  # fmt: skip
        nudge = Nudge.objects.create(session=session, member=member, text="n", source="playbook")
        Feedback.objects.create(nudge=nudge, member=member, verdict="accepted")
        Alert.objects.create(session=session, member=member, utterance=said, kind="self_harm")
        Event.objects.create(stream=Stream.objects.all()[0], seq=1, type="ack", frame={})
        Disclosure.objects.create(
            organisation_id=key, subject_id=member.id, purpose="coaching", fields=[], withheld=[],
            recipient="test", at=timezone.now(),
        )  # fmt: skip
        Budget.objects.create(organisation=organisation, per_day=1)
        Spend.objects.create(organisation=organisation, period="day", key="2026-11-21")
        ModelCall.objects.create(
            organisation=organisation, session_id=session.id, role="nudge", route="r"
        )
        KeptDraft.objects.create(
            organisation=organisation, playbook_id=uuid.uuid4(), member_id=member.id,
            scope=uuid.uuid4().bytes, asked=b"a", text="t", passages=[], route="r",
            # A server that shares this database drops what has expired.
            expires_at=timezone.now() + timedelta(hours=1),
        )  # fmt: skip
        Pace.objects.create(member=member, organisation=organisation, due_at=timezone.now())
        Line.objects.create(organisation=organisation, who=str(member.id), until=timezone.now())
        Report.objects.create(organisation=organisation, session=session, kind="summary")
        LexiconTerm.objects.create(organisation=organisation, use="mask", text="rowan")
        ClosedPurpose.objects.create(organisation_id=key, purpose_id="quality")
        playbook = Playbook.objects.create(organisation_id=key, slug="p", name="p")
        rule = TriggerRule.objects.create(playbook=playbook, name="r")
        Firing.objects.create(rule=rule, session=session, member=member, at=timezone.now())
        version = PlaybookVersion.objects.create(organisation_id=key, playbook=playbook, number=1)
        VersionEvent.objects.create(
            organisation_id=key, version_id=version.id, playbook="p", number=1, act="imported"
        )
        Upload.objects.create(organisation_id=key, playbook="p", file="f")
        entry = Entry.objects.create(organisation_id=key, version=version, key="k", body="b")
        of = {"organisation_id": key, "version": version}
        Passage.objects.create(entry=entry, number=0, ordinal=0, text="t", **of)
        Term.objects.create(lexeme="t", idf=1.0, floor=0.0, passages=[0], weights=[1.0], **of)
        Facet.objects.create(field="deck", value="v", members="1", **of)
        Phrase.objects.create(phrase="t", is_title=True, passage=0, **of)
        Vector.objects.create(
            model="m", passage=0, dimension=3, approximate=False, embedding=[1, 0, 0], **of
        )
    return key


@pytest.fixture(scope="module")
def two(database):
    notices.seed()
    user = get_user_model().objects.create(username=uuid.uuid4().hex)
    return fill(user), fill(user)


def rows(model, scope) -> int:
    with tenancy.acting(scope), connections[alias_of(model)].cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{model._meta.db_table}"')
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("model", list(models()), ids=lambda m: m.__name__)
def test_every_table_with_an_organisation_is_fenced_and_no_other(model):
    with connections[alias_of(model)].cursor() as cursor:
        cursor.execute(
            "SELECT relrowsecurity, relforcerowsecurity, polqual IS NOT NULL,"
            " polwithcheck IS NOT NULL, pg_get_userbyid(relowner) = current_user"
            " FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid"
            " WHERE c.oid = %s::regclass",
            [model._meta.db_table],
        )
        (state,) = cursor.fetchall()
    if model.__name__ in NOBODYS:
        assert tenant_column(model) is None
    else:
        assert state == (True, True, True, True, False)


@pytest.mark.parametrize("model", TENANTS, ids=lambda m: m.__name__)
def test_nobody_sees_nothing_and_each_sees_their_own(two, model):
    ours, theirs = (rows(model, tenancy.of([key], actor="t")) for key in two)
    assert rows(model, tenancy.NOBODY) == 0
    assert ours >= 1
    assert theirs >= 1
    assert rows(model, tenancy.of(two, actor="t")) == ours + theirs


async def test_random_queries_without_a_filter_show_no_foreign_row(two):
    """Many tasks share two small pools; each query names no organisation anywhere."""
    rng = random.Random(7)
    pools = {alias: Database(alias) for alias in ("default", "vault")}
    for pool in pools.values():
        await pool.open()
    foreign = seen = 0

    async def ask(turn: int) -> None:
        nonlocal foreign, seen
        model, mine = rng.choice(TENANTS), rng.choice(two)
        column = tenant_column(model)
        names = [f'"{f.column}"' for f in model._meta.concrete_fields]
        order = rng.choice(names)
        where = rng.choice(["true", f"{column} IS NOT NULL", f"{column} <> %s", f"{column} = %s"])
        query = (
            f'SELECT {column} FROM "{model._meta.db_table}" WHERE {where}'
            f" ORDER BY {order}::text {rng.choice(['ASC', 'DESC'])} LIMIT {rng.randint(1, 50)}"
        )
        params = [rng.choice(two)] if "%s" in where else []
        with tenancy.acting(tenancy.of([mine], actor="t")):
            found = await pools[alias_of(model)].fetch(query, params, timeout_s=10)
        seen += len(found)
        foreign += sum(key != mine for (key,) in found)

    for start in range(0, QUERIES, AT_ONCE):
        await asyncio.gather(*(ask(start + n) for n in range(AT_ONCE)))
    for pool in pools.values():
        await pool.close()
    assert (foreign, seen > QUERIES / 4) == (0, True)


async def test_a_connection_carries_nobody_over_to_the_next(two):
    pool = Database("default")
    await pool.open()
    try:
        for _ in range(20):
            with tenancy.acting(tenancy.of(two, actor="t")):
                assert await pool.fetch("SELECT id FROM coach_session", timeout_s=1)
            with tenancy.acting(tenancy.NOBODY):
                assert await pool.fetch("SELECT id FROM coach_session", timeout_s=1) == []
    finally:
        await pool.close()


def test_a_row_for_somebody_else_is_neither_taken_nor_changed_nor_removed(two):
    mine, theirs = two
    with tenancy.acting(tenancy.of([mine], actor="t")):
        with pytest.raises(DjangoDatabaseError, match="row-level security"):
            Playbook.objects.create(organisation_id=theirs, slug="q", name="q")
        foreign = Session.objects.filter(organisation_id=theirs)
        assert foreign.update(title="Mine now") == 0
        assert foreign.delete()[0] == 0
    with tenancy.acting(tenancy.of([theirs], actor="t")):
        assert Session.objects.get().title == "T"


def test_the_scope_holds_in_transactions_savepoints_streams_and_batches(two):
    mine, theirs = (tenancy.of([key], actor="t") for key in two)
    with tenancy.acting(mine):
        assert {s.organisation_id for s in Session.objects.iterator(chunk_size=1)} == {two[0]}
        with transaction.atomic():
            assert Session.objects.get().organisation_id == two[0]
            with pytest.raises(DjangoDatabaseError), transaction.atomic(), tenancy.acting(theirs):
                assert Session.objects.get().organisation_id == two[1]
                Playbook.objects.create(organisation_id=two[0], slug="r", name="r")
            assert Session.objects.get().organisation_id == two[0]
        Playbook.objects.bulk_create(
            Playbook(organisation_id=two[0], slug=f"b{n}", name="b") for n in range(3)
        )
    assert not Session.objects.filter(id__in=[]).exists()
    with tenancy.acting(tenancy.NOBODY):
        assert not Session.objects.exists()
        with transaction.atomic():
            assert not Session.objects.exists()


def test_a_new_row_belongs_to_whom_it_was_made_for(two):
    with tenancy.acting(tenancy.of([two[0]], actor="t")):
        assert Stream.objects.create(
            session=Session.objects.get(), audience="x"
        ).organisation_id == two[0]  # fmt: skip
    with tenancy.acting(tenancy.of(two, actor="t")), pytest.raises(DjangoDatabaseError):
        Stream.objects.create(session=Session.objects.all()[0], audience="y")


def test_the_roles_of_the_application_are_bound_by_all_this():
    for alias in ("default", "vault"):
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
            )
            assert cursor.fetchone() == (False, False)
        assert settings.DATABASES[alias]["USER"] != settings.DATABASES["owner"]["USER"]


def test_only_named_code_acts_for_every_organisation():
    calls = re.compile(r"\beverywhere\(")
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("coach", "consent", "rag", "safety")
        for path in (ROOT / folder).rglob("*.py")
        if calls.search(path.read_text(encoding="utf-8"))
    }
    assert found | {"manage.py"} == EVERYWHERE.keys() | {"coach/tenancy.py"}

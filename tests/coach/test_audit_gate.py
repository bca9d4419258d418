"""When the audit cannot be written, nothing goes to a model; a card with help is still shown."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import psycopg
import pytest
from django.conf import settings

from coach import embedded
from coach.live import server
from coach.live.client import LiveClient
from tests.people import EVERYTHING, SHIPPED
from tests.proofs import repeats
from tests.scripted_model import ScriptedModel

STUCK = "I keep putting off the report for the steering group"
PEOPLE, UTTERANCES = 10, repeats(200, full=1_000)
REFUSED = ("no_nudge", "consent_unavailable")
FAIL = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NEW; END $$;
CREATE TRIGGER fail BEFORE INSERT ON vault.consent_auditentry
FOR EACH ROW EXECUTE FUNCTION fail()
"""
MEND = "DROP TRIGGER fail ON vault.consent_auditentry; DROP FUNCTION fail()"
APP = embedded.VAULT
STATES = {
    "locked": ("BEGIN; LOCK TABLE vault.consent_auditentry IN EXCLUSIVE MODE", "ROLLBACK"),
    "revoked": (
        f"REVOKE INSERT ON vault.consent_auditentry FROM {APP}",
        f"GRANT INSERT ON vault.consent_auditentry TO {APP}",
    ),
    "disk full": (
        FAIL.format(what="RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'"),
        MEND,
    ),
    "slower than 300 ms": (FAIL.format(what="PERFORM pg_sleep(0.45)"), MEND),
}


@pytest.fixture(scope="module")
def served(demo: object, model: ScriptedModel) -> Iterator[server.Server]:
    environment = {"LLM_BASE_URL": model.url, "LLM_MODEL": "scripted", **SHIPPED}
    with server.running(log=settings.DATA_DIR / "server-audit.log", environment=environment) as run:
        yield run


@contextmanager
def broken(state: str) -> Iterator[None]:
    breaks, mends = STATES[state]
    here = embedded.cluster(settings.DATA_DIR)
    url = here.url("postgres", settings.ENV.database_name)
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute(breaks)
        try:
            yield
        finally:
            superuser.execute(mends)


def ready(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            return answer.status, json.load(answer)["checks"]["audit"]
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)["checks"]["audit"]


@pytest.mark.timeout(300)
async def test_utterances_without_an_audit_are_no_call(served, model, open_room):
    room = await open_room(served)
    async with AsyncExitStack() as stack:
        people = []
        for n in range(PEOPLE):
            ticket = await room.ticket(f"Person {n}", EVERYTHING)
            people.append(await stack.enter_async_context(LiveClient(served.ws, ticket)))
        assert (await people[0].ask(STUCK)).terminals[0]["source"] == "model"
        calls = len(model.raw)
        asked = 0
        for state in STATES:
            with broken(state):
                assert ready(served.http)[0] == 503, state
                outcomes = []
                for _ in range(UTTERANCES // PEOPLE // len(STATES)):
                    turns = await asyncio.gather(*(p.ask(STUCK, timeout_s=10) for p in people))
                    outcomes += [
                        (
                            t.terminals[0]["type"],
                            t.terminals[0].get("reason") or t.terminals[0].get("code"),
                        )
                        for t in turns
                    ]
                asked += len(outcomes)
                # On a machine that is busy elsewhere some do not even get as far as the audit.
                assert {kind for kind, _ in set(outcomes) - {REFUSED}} <= {"error"}, state
                assert outcomes.count(REFUSED) > 0.8 * len(outcomes), state
                card = (await people[0].ask("I want to kill myself")).terminals[0]
                assert card["type"] == "escalated", state
                assert card["card"]["contacts"]
            # The same words from the model would be no nudge: nobody is told the same twice. That
            # it is asked again is what shows that the audit takes rows again.
            asked_again = len(model.raw)
            await people[0].ask(STUCK)
            assert len(model.raw) > asked_again, state
            calls += 1
            assert ready(served.http) == (200, "ok"), state
        assert asked == UTTERANCES
        assert len(model.raw) == calls

"""The gateway where people meet it: registered routes, kept drafts, budgets and switches, live."""

import asyncio
import io
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.conf import settings
from django.core.management import call_command

from coach.gateway.models import Budget, KeptDraft, ModelCall, RegisteredRoute
from coach.gateway.routes import Stage
from coach.live import server
from coach.live.client import LiveClient
from coach.models import Nudge
from tests.scripted_model import Answer, ScriptedModel, says

STUCK = "I keep putting off the report for the steering group"
GOOD = "What about the report do you find yourself steering around?"
PLAIN = {"coaching": ["utterance", "recent_turns"]}


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    model = ScriptedModel()
    model.start()
    yield model
    model.stop()


@pytest.fixture(scope="module")
def served(demo, model) -> Iterator[server.Server]:
    route = RegisteredRoute.objects.create(
        name="registered", base_url=model.url, model="scripted", roles=["nudge"],
        stage=Stage.PRODUCTION, price_in=1000, price_out=1000,
    )  # fmt: skip
    log = settings.DATA_DIR / "server-registered.log"
    # What is asked here is who answers and why, not how fast.
    environment = {"KEEP_DRAFTS_HOURS": "24", "NUDGE_MS": "5000", "TERMINAL_MS": "8000"}
    with server.running(log=log, environment=environment) as running:
        yield running
    route.delete()


@pytest.fixture
async def room(open_room, served, model):
    model.script = says(GOOD)
    model.raw.clear()
    KeptDraft.objects.all().delete()
    return await open_room(served)


async def person(room, name: str, consent=None, **about) -> LiveClient:
    client = LiveClient(room.server.ws, await room.ticket(name, consent or PLAIN, **about))
    await client.open()
    return client


async def kept(count: int) -> None:
    for _ in range(1000):
        if KeptDraft.objects.count() == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{KeptDraft.objects.count()} kept, not {count}")


async def test_a_registered_route_answers_and_the_nudge_says_why_it_was_chosen(room, model):
    ada = await person(room, "Ada")
    turn = await ada.ask(STUCK)
    done = turn.terminals[0]
    assert (done["source"], done["text"]) == ("model", GOOD)
    trace = Nudge.objects.get(id=done["nudge"]).trace
    assert trace["route"] == "registered"
    assert "registered: light, first of 1" in trace["choice"]
    call = ModelCall.objects.get(utterance_id=turn.utterance)
    assert (call.route, str(call.session_id)) == ("registered", room.session)
    await ada.close()


async def test_the_same_words_of_somebody_else_are_answered_without_a_call(room, model):
    ada, ben = await person(room, "Ada"), await person(room, "Ben")
    await ada.ask(STUCK)
    await kept(1)
    done = (await ben.ask(STUCK)).terminals[0]
    assert (done["source"], done["text"]) == ("cache", GOOD)
    assert done["citations"]
    assert len(model.raw) == 1
    await ada.close()
    await ben.close()


async def test_nobody_is_given_the_same_nudge_twice_in_a_row(room, model):
    ada = await person(room, "Ada")
    await ada.ask(STUCK)
    await kept(1)
    # Neither kept nor written anew, as this model has nothing else to say.
    again = (await ada.ask(STUCK)).terminals[0]
    assert again["source"] == "playbook"
    assert again["text"] != GOOD
    await ada.close()


async def test_a_goal_makes_an_answer_somebody_s_own(room, model):
    own = {"coaching": ["utterance", "goal"]}
    ada = await person(room, "Ada", own, goal="Hand it in without staying late")
    await ada.ask(STUCK)
    ben = await person(room, "Ben", own, goal="Rest more")
    assert (await ben.ask(STUCK)).terminals[0]["source"] == "model"
    assert KeptDraft.objects.count() == 0
    await ada.close()
    await ben.close()


async def test_another_scope_of_consent_is_another_drawer(room, model):
    ada = await person(room, "Ada")
    await ada.ask(STUCK)
    await kept(1)
    ben = await person(room, "Ben", {"coaching": ["utterance", "role"]})
    assert (await ben.ask(STUCK)).terminals[0]["source"] == "model"
    await ada.close()
    await ben.close()


async def test_withdrawing_takes_what_was_made_from_own_words(room, model):
    ada, ben = await person(room, "Ada"), await person(room, "Ben")
    await ada.ask(STUCK)
    await kept(1)
    await room.api.call(
        "POST", f"consent/withdraw/?session={room.session}", {"purpose": "coaching"},
        token=ada.ticket.token,
    )  # fmt: skip
    assert KeptDraft.objects.count() == 0
    assert (await ben.ask(STUCK)).terminals[0]["source"] == "model"
    await ada.close()
    await ben.close()


async def test_when_the_model_fails_the_passage_answers_whoever_said_something_else(room, model):
    ada, ben = await person(room, "Ada"), await person(room, "Ben")
    await ada.ask(STUCK)
    await kept(1)

    async def refuse(answer: Answer) -> None:
        await answer.refuse(500)

    model.script = refuse
    other = "My daughter starts school on Monday and I am torn"
    assert (await ben.ask(other)).terminals[0]["source"] == "playbook"
    await ada.close()
    await ben.close()


async def test_a_spent_budget_is_told_to_the_facilitator_and_the_playbook_answers(
    room, model, demo
):
    budget = Budget.objects.create(
        organisation_id=settings.DEFAULT_ORGANISATION_ID, per_session=Decimal(5)
    )
    try:
        fay = room.console()
        await fay.open(as_role="facilitator")
        ada = await person(room, "Ada")
        reason = ""
        for n in range(30):
            done = (await ada.ask(f"I keep putting off chapter {n} of the report")).terminals[0]
            reason = done["reason"]
            if reason == "budget":
                break
        assert reason == "budget"
        assert done["source"] == "playbook"
        told = [await fay.until("budget", seen=n) for n in range(2)]
        assert {f["period"] for f in told} == {"session"}
        assert 80 <= told[0]["percent"] < told[1]["percent"] == 100
        await ada.close()
        await fay.close()
    finally:
        budget.delete()


async def test_the_kill_command_stops_a_running_stream_and_later_calls_within_a_second(room, model):
    async def long(answer: Answer) -> None:
        await answer.delta('{"nudge": "Which part of the report are you steering around, ')
        for _ in range(100):
            await asyncio.sleep(0.1)
            await answer.delta("and then, ")

    model.script = long
    ada = await person(room, "Ada")
    turn = await ada.say(STUCK)
    await ada.until("nudge.start")
    await asyncio.to_thread(call_command, "kill", feature="nudge", stdout=io.StringIO())
    try:
        done = await asyncio.wait_for(asyncio.shield(turn.done), 1.0)
        assert (done["source"], done["reason"]) == ("playbook", "killed")
        calls = len(model.raw)
        assert (await ada.ask(STUCK)).terminals[0]["reason"] == "killed"
        assert len(model.raw) == calls
    finally:
        await asyncio.to_thread(
            call_command, "kill", feature="nudge", off=True, stdout=io.StringIO()
        )
    await ada.close()

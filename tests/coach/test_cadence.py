"""When nudges come: wishes, repeats, typing, rules, phases and suggestions, on a real server."""

import asyncio
import uuid

import pytest
from django.conf import settings

from coach import tenancy
from coach.cadence.models import TriggerRule
from coach.live.client import LiveClient, RestError
from coach.models import Nudge, Session
from consent.models import AuditEntry, Disclosure
from rag.models import Passage
from tests.people import EVERYTHING

STUCK = "I keep putting off the report for the steering group"


@pytest.fixture
def rules(room):
    """Adds rules to a playbook of this room's own, which has the demo's cards."""
    session = Session.objects.get(id=room.session)
    playbook = session.playbook
    made = []

    def add(**given):
        given.setdefault("name", uuid.uuid4().hex[:8])
        rule = TriggerRule(playbook=playbook, **given)
        rule.full_clean(exclude=["organisation_id"])
        rule.save()
        made.append(rule)
        return rule

    yield add
    for rule in made:
        rule.delete()


async def test_who_wants_no_nudges_gets_none_until_they_want_some(ada):
    await ada.send({"type": "prefer", "verbosity": "quiet"})
    assert (await ada.until("wishes.changed"))["verbosity"] == "quiet"
    assert (await ada.ask(STUCK)).terminals[0]["reason"] == "quiet"
    await ada.send({"type": "prefer", "verbosity": "more"})
    await ada.until("wishes.changed", seen=1)
    assert (await ada.ask(STUCK)).terminals[0]["type"] == "nudge.done"


async def test_a_snooze_lasts_as_long_as_was_asked_for_and_can_be_ended(room, ada):
    async with LiveClient(room.server.ws, ada.ticket) as tablet:
        await ada.send({"type": "prefer", "snooze_minutes": 30})
        assert (await tablet.until("wishes.changed"))["snoozed_until"]
    assert (await ada.ask(STUCK)).terminals[0]["reason"] == "snoozed"
    await ada.send({"type": "prefer", "snooze_minutes": 0})
    assert (await ada.until("wishes.changed", seen=1))["snoozed_until"] is None
    assert (await ada.ask(STUCK)).terminals[0]["type"] == "nudge.done"


@pytest.mark.parametrize("wish", [
    {"verbosity": "loud"}, {"snooze_minutes": -1}, {"snooze_minutes": 9999},
    {"snooze_minutes": True}, {"snooze_minutes": "30"},
])  # fmt: skip
async def test_a_wish_that_cannot_be_is_refused(ada, wish):
    await ada.send({"type": "prefer", **wish})
    assert (await ada.until("error"))["code"] == "bad_request"


@pytest.mark.parametrize(("verbosity", "reason"), [("less", "cooldown"), ("more", None)])
async def test_wishes_stretch_and_shorten_the_cooldown(room, ada, verbosity, reason):
    Session.objects.filter(id=room.session).update(cooldown_s=2)
    await ada.send({"type": "prefer", "verbosity": verbosity})
    await ada.until("wishes.changed")
    assert (await ada.ask(STUCK)).terminals[0]["type"] == "nudge.done"
    await asyncio.sleep(1.3)
    frame = (await ada.ask("and I do not know where to start with it")).terminals[0]
    assert frame.get("reason") == (reason or frame.get("reason"))
    assert (frame["type"] == "nudge.done") is (reason is None)


async def test_no_nudge_is_repeated_within_six(ada):
    shown: list[str] = []
    for _ in range(12):
        frame = (await ada.ask(STUCK)).terminals[0]
        if frame["type"] == "nudge.done":
            assert frame["text"] not in shown[-6:]
            shown.append(frame["text"])
        else:
            assert frame["reason"] == "repeated"
    assert len(set(shown)) >= 5


async def test_a_nudge_waits_for_a_pause_in_writing(ada):
    turn = await ada.say(STUCK)
    await ada.send({"type": "draft", "text": "what I meant"})
    await asyncio.wait_for(turn.done, 3)
    assert turn.total_ms is not None
    frame = turn.terminals[0]
    late = frame["type"] == "nudge.done" and turn.total_ms > 300
    assert late or frame["reason"] == "typing"


async def test_who_goes_on_writing_gets_no_nudge_in_between(ada):
    turn = await ada.say(STUCK)
    for _ in range(60):
        if turn.done.done():
            break
        await ada.send({"type": "draft", "text": "what I really meant to say"})
        await asyncio.sleep(0.15)
    frame = await asyncio.wait_for(turn.done, 2)
    assert (frame["type"], frame["reason"]) == ("no_nudge", "typing")


async def test_a_rule_keeps_quiet_and_the_trace_says_which(ada, fay, rules):
    rules(name="short ones are chatter", min_words=4, then="quiet")
    assert (await ada.ask(STUCK)).terminals[0]["reason"] == "rule"
    assert (await fay.until("no_nudge"))["trace"]["rule"] == "short ones are chatter"


async def test_a_rule_counts_in_its_phase_alone(room, ada, fay, rules):
    rules(phases=["closing"], then="quiet")
    assert (await ada.ask(STUCK)).terminals[0]["type"] == "nudge.done"
    await fay.send({"type": "control", "action": "phase", "phase": "Closing"})
    assert (await ada.until("control.changed"))["phase"] == "Closing"
    assert (await ada.ask("I do not know where to begin with it")).terminals[0]["reason"] == "rule"


async def test_feelings_decide_only_for_whom_they_may_be_read_and_are_not_told(room, fay, rules):
    rules(name="when upset", number=1, emotions=["anger", "sadness", "fear"], then="quiet")
    upset = "I am so angry and so sad that nobody ever listens to me here"
    async with LiveClient(room.server.ws, await room.ticket("Ada", EVERYTHING)) as ada:
        assert (await ada.ask(upset)).terminals[0]["type"] != "no_nudge"
    chosen = {**EVERYTHING, "emotion_signals": ["emotion"]}
    ticket = await room.ticket("Bea", chosen)
    async with LiveClient(room.server.ws, ticket) as bea:
        assert (await bea.ask(upset)).terminals[0]["reason"] == "rule"
    held = await fay.until("no_nudge")
    assert held["trace"]["rule"] == ""
    logged = Disclosure.objects.filter(subject_id=ticket.member, purpose="emotion_signals")
    assert [row.fields for row in logged] == [["emotion"]]


async def test_silence_is_broken_once_for_whom_the_rule_says(room, ada, ben, fay, rules):
    rules(name="a pause", on="silence", after_s=10, every_s=60, to="everyone")
    Session.objects.filter(id=room.session).update(cooldown_s=0)
    done = await ada.until("nudge.done", timeout_s=16)
    assert (done["reason"], done["utterance"], done["source"]) == ("silence", None, "playbook")
    seen = await fay.until("nudge.done")
    assert seen["trace"] == {"rule": "a pause", "on": "silence"}
    await asyncio.sleep(4)
    assert len([f for f in ada.events if f["type"] == "nudge.done"]) == 1
    assert not [f for f in ben.events if f["type"] == "nudge.done"]


async def test_the_facilitators_hear_of_talk_out_of_balance(room, ada, fay, rules):
    rules(
        name="one voice", on="balance", after_s=300, share_over=70, every_s=60, to="facilitators",
        activity="opening",
    )  # fmt: skip
    async with LiveClient(room.server.ws, await room.ticket("Cy", EVERYTHING)) as cy:
        for n in range(5):
            await ada.ask(f"{STUCK}, and then there is also the other one, number {n}")
        await cy.ask("I see")
        hint = await fay.until("hint", timeout_s=6)
    assert (hint["rule"], hint["member"], hint["on"]) == ("one voice", ada.ticket.member, "balance")
    assert hint["text"]


async def test_a_nudge_that_waited_too_long_is_not_released(room, ada, fay):
    await room.control(action="mode", mode="review")
    await ada.ask(STUCK)
    held = await fay.until("nudge.held")
    Nudge.objects.filter(id=held["nudge"]).update(expires_s=0)
    await fay.send({"type": "control", "action": "release", "nudge": held["nudge"]})
    assert (await fay.until("error"))["code"] == "not_found"
    await fay.send({"type": "control", "action": "hold", "nudge": held["nudge"]})
    assert (await fay.until("nudge.dropped"))["nudge"] == held["nudge"]


async def suggest(room, **suggestion):
    body = {"session": room.session, "engine": "elsewhere", **suggestion}
    return (await room.api.call("POST", "suggestions/", body))["results"]


def a_passage(room):
    session = Session.objects.select_related("playbook").get(id=room.session)
    assert session.playbook is not None
    return Passage.objects.filter(version=session.playbook.live_version)[0]


async def test_a_suggestion_of_a_passage_is_shown_with_its_source(room, ada, ben):
    passage = a_passage(room)
    results = {r["member"]: r for r in await suggest(room, passage=str(passage.id))}
    assert results[ada.ticket.member]["result"] == "shown"
    assert results[ben.ticket.member]["reason"] == "no_consent"
    done = await ada.until("nudge.done")
    assert (done["source"], done["citations"][0]["passage"]) == ("outside", str(passage.id))


async def test_a_suggestion_that_rests_on_nothing_waits_for_the_facilitator(room, ada, fay):
    (result,) = await suggest(room, text="Bananas ripen faster in a paper bag, they say.")
    assert (result["result"], result["reason"]) == ("held", "unsourced")
    held = await fay.until("nudge.held")
    assert held["trace"] == {"engine": "elsewhere"}
    assert not [f for f in ada.events if f["type"] == "nudge.done"]
    await fay.send({"type": "control", "action": "release", "nudge": held["nudge"]})
    assert (await ada.until("nudge.done"))["source"] == "outside"


async def test_in_review_a_suggestion_waits_too(room, ada):
    await room.control(action="mode", mode="review")
    (result,) = await suggest(room, passage=str(a_passage(room).id))
    assert result["result"] == "held"


@pytest.mark.parametrize("text", [
    "Go to https://evil.example now", "Call 202-555-0143 today", "Ask Ada what she thinks",
    "<b>Breathe</b>", "You are worthless",
])  # fmt: skip
async def test_a_suggestion_passes_the_same_gate(room, ada, text):
    with pytest.raises(RestError) as refused:
        await suggest(room, text=text)
    assert refused.value.status == 400
    assert "gate" in refused.value.body["errors"]


async def test_a_suggestion_is_due_or_not_like_any_nudge(room, ada):
    passage = str(a_passage(room).id)
    assert (await suggest(room, passage=passage))[0]["result"] == "shown"
    assert (await suggest(room, passage=passage))[0]["reason"] == "repeated"
    await ada.send({"type": "prefer", "verbosity": "quiet"})
    await ada.until("wishes.changed")
    assert (await suggest(room, passage=passage))[0]["reason"] == "quiet"
    await room.control(action="pause")
    assert (await suggest(room, passage=passage))[0]["reason"] == "paused"


async def test_an_alert_is_seen_to_once_by_name_and_in_the_audit(room, ben, fay):
    await ben.ask("I want to kill myself")
    alert = (await fay.until("alert"))["alert"]
    listed = await room.api.call("GET", f"sessions/{room.session}/alerts/")
    assert [(a["alert"], a["acknowledged_at"]) for a in listed] == [(alert, None)]
    first = await room.api.call("POST", f"alerts/{alert}/acknowledge/")
    told = await fay.until("alert.acknowledged")
    assert (told["alert"], told["acknowledged_by"]) == (alert, first["acknowledged_by"])
    again = await room.api.call("POST", f"alerts/{alert}/acknowledge/")
    assert again == first
    await asyncio.sleep(0.3)
    assert len([f for f in fay.events if f["type"] == "alert.acknowledged"]) == 1
    with tenancy.acting(tenancy.of([settings.DEFAULT_ORGANISATION_ID], actor="test")):
        entries = AuditEntry.objects.filter(action="alert_acknowledged", body__alert=alert)
        assert entries.count() == 1
    with pytest.raises(RestError) as refused:
        await room.api.call("POST", f"alerts/{alert}/acknowledge/", token=ben.ticket.token)
    assert refused.value.status == 404

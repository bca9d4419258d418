"""Looking back on a session: released turns alone, cited, streamed, and gone when taken back."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from coach.live import server
from coach.live.client import LiveClient, RestError
from coach.reports.models import Report
from tests.scripted_model import Answer, ScriptedModel

Body = dict[str, Any]
ALL = {
    "coaching": ["utterance", "recent_turns"],
    "facilitator_view": ["utterance", "display_name"],
    "reflection": ["utterance", "goal"],
}
SAID = [
    "I keep putting off the report for the steering group",
    "maybe it is because I do not know who it is for",
    "what would the steering group actually want to read?",
]


@pytest.fixture(scope="module")
def served(demo, model) -> Iterator[server.Server]:
    environment = {"LLM_BASE_URL": model.url, "LLM_MODEL": "scripted"}
    log = settings.DATA_DIR / "server-reports.log"
    with server.running(log=log, environment=environment) as running:
        yield running


def answers(point: str = "You turned from the report to its readers.", turns=(1, 3)):
    async def play(answer: Answer) -> None:
        shape = answer.request["response_format"]["json_schema"]["name"]
        body = (
            {"point": point, "turns": list(turns)}
            if shape == "point"
            else {"nudge": "What about that do you find yourself steering around?", "cites": [1]}
        )
        text = json.dumps(body)
        for at in range(0, len(text), 9):
            await answer.delta(text[at : at + 9])
        await answer.delta(None, "stop")
        await answer.end()

    return play


@pytest.fixture(autouse=True)
def healthy(model) -> None:
    model.script = answers()
    model.raw.clear()


@pytest.fixture
async def room(open_room, served):
    return await open_room(served)


async def spoken(room, name: str = "Ada", consent=None, **about) -> LiveClient:
    """Somebody who said three things; the caller closes them."""
    client = LiveClient(room.server.ws, await room.ticket(name, consent or ALL, **about))
    await client.open()
    for text in SAID:
        await client.ask(text)
    return client


async def end(room) -> None:
    await room.api.call("POST", f"sessions/{room.session}/end/")


async def written(room, token: str = "", *, state: str = "done") -> Body:
    """Ask for a report and wait for its end."""
    path = f"sessions/{room.session}/reports/"
    report = (await room.api.call("POST", path, token=token))["report"]
    return await reached(room, report, token, state=state)


async def reached(room, report: str, token: str = "", *, state: str) -> Body:
    for _ in range(300):
        path = f"sessions/{room.session}/reports/{report}/"
        body: Body = await room.api.call("GET", path, token=token)
        if body["state"] != "running":
            assert body["state"] == state, body
            return body
        await asyncio.sleep(0.02)
    raise AssertionError("the report did not end")


def prompts(model: ScriptedModel) -> list[str]:
    """What was asked for points, nudges left out."""
    return [
        "\n".join(m["content"] for m in request["messages"])
        for request in model.requests
        if request["response_format"]["json_schema"]["name"] == "point"
    ]


async def test_a_reflection_is_streamed_with_progress_and_cites_turns_that_were_said(room, model):
    ada = await spoken(room, goal="Hand the report in")
    await end(room)
    body = await written(room, ada.ticket.token)
    assert (body["source"], body["percent"], len(body["points"])) == ("model", 100, 3)
    rows = await room.api.call(
        "GET", f"sessions/{room.session}/utterances/", token=ada.ticket.token
    )
    said = {row["id"] for row in rows}
    for point in body["points"]:
        assert point["text"] == "You turned from the report to its readers."
        assert {turn["utterance"] for turn in point["turns"]} <= said
        assert len(point["turns"]) == 2
    await ada.until("report.done")
    assert [f["percent"] for f in ada.passing if f["type"] == "report.progress"] == [
        10, 38, 66, 95, 100,
    ]  # fmt: skip
    shown = "".join(
        f["text"] for f in ada.passing if f["type"] == "report.delta" and f["point"] == 0
    )
    assert shown.strip() == body["points"][0]["text"]
    assert all("Hand the report in" in asked for asked in prompts(model))
    await ada.close()


async def test_all_questions_about_a_session_share_their_prefix(room, model):
    ada = await spoken(room)
    await end(room)
    await written(room, ada.ticket.token)
    first, second, third = prompts(model)
    shared = first[: first.index("<question>")]
    assert second.startswith(shared)
    assert third.startswith(shared)
    await ada.close()


async def test_without_consent_for_reflection_nothing_is_written_and_nothing_asked(room, model):
    ben = await spoken(room, "Ben", {"coaching": ["utterance"]})
    await end(room)
    model.raw.clear()
    body = await written(room, ben.ticket.token, state="failed")
    assert (body["reason"], body["points"]) == ("no_consent", [])
    assert model.raw == []
    await ben.close()


async def test_the_facilitator_s_summary_rests_on_those_who_allow_both_uses(room, model):
    ada = await spoken(room, "Ada")
    ben = await spoken(room, "Ben", {"coaching": ["utterance"], "reflection": ["utterance"]})
    await end(room)
    model.raw.clear()
    body = await written(room)
    speakers = {turn["speaker"] for point in body["points"] for turn in point["turns"]}
    assert len(speakers) == 1
    assert all(asked.count("<turn ") == 3 for asked in prompts(model))
    await ada.close()
    await ben.close()


async def refuse(answer: Answer) -> None:
    await answer.refuse(503)


async def test_without_a_model_words_that_were_said_stand_in(room, model):
    ada = await spoken(room)
    await end(room)
    model.script = refuse
    body = await written(room, ada.ticket.token)
    assert (body["source"], body["reason"]) == ("extract", "model_unavailable")
    texts = [point["text"] for point in body["points"]]
    assert texts[0] == "You spoke 31 words in 3 turns."
    assert SAID[2] in texts
    assert set(texts[1:]) <= set(SAID)
    summary = await written(room)
    assert summary["points"][0]["text"] == "Of what was said: participant 1: 100 %."
    await ada.close()


HOSTILE = ["See https://evil.example/x", "You are a worthless idiot", "<b>bold</b> words here"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_hostile_point_is_shown_to_nobody(room, model, text):
    ada = await spoken(room)
    await end(room)
    model.script = answers(text)
    body = await written(room, ada.ticket.token)
    assert (body["source"], body["reason"][:5]) == ("extract", "gate_")
    assert text not in json.dumps(ada.passing + ada.events + body["points"])
    await ada.close()


async def test_a_point_that_cites_no_turn_is_no_point(room, model):
    ada = await spoken(room)
    await end(room)
    model.script = answers(turns=(99,))
    body = await written(room, ada.ticket.token)
    assert (body["source"], body["reason"]) == ("extract", "gate_no_source")
    await ada.close()


async def slow(answer: Answer) -> None:
    await answer.delta('{"point": "You turned from the report, ')
    for _ in range(40):
        await asyncio.sleep(0.1)
        await answer.delta("and then, ")


async def test_a_report_that_is_cancelled_stops_its_call(room, model):
    ada = await spoken(room)
    await end(room)
    model.script = slow
    path = f"sessions/{room.session}/reports/"
    report = (await room.api.call("POST", path, token=ada.ticket.token))["report"]
    await ada.until("report.delta")
    with pytest.raises(RestError) as twice:
        await room.api.call("POST", path, token=ada.ticket.token)
    assert twice.value.status == 409
    await room.api.call("DELETE", f"{path}{report}/", token=ada.ticket.token)
    body = await reached(room, report, ada.ticket.token, state="cancelled")
    assert body["points"] == []
    for _ in range(100):
        if model.open_now == 0:
            break
        await asyncio.sleep(0.01)
    assert model.open_now == 0
    await ada.close()


async def test_withdrawing_stops_a_report_and_takes_what_was_written(room, model):
    ada = await spoken(room)
    await end(room)
    await written(room)
    assert Report.objects.filter(session_id=room.session).count() == 1
    model.script = slow
    path = f"sessions/{room.session}/reports/"
    await room.api.call("POST", path, token=ada.ticket.token)
    await ada.until("report.delta")
    await room.api.call(
        "POST", f"consent/withdraw/?session={room.session}", {"purpose": "reflection"},
        token=ada.ticket.token,
    )  # fmt: skip
    for _ in range(150):
        if model.open_now == 0:
            break
        await asyncio.sleep(0.01)
    assert model.open_now == 0
    left = Report.objects.filter(session_id=room.session)
    assert [row.points for row in left] in ([], [[]])
    await ada.close()


async def test_a_session_is_looked_back_on_when_it_is_over_and_by_its_own_people(room):
    ada, ben = await spoken(room, "Ada"), await spoken(room, "Ben")
    path = f"sessions/{room.session}/reports/"
    with pytest.raises(RestError) as early:
        await room.api.call("POST", path, token=ada.ticket.token)
    assert early.value.status == 409
    await end(room)
    body = await written(room, ada.ticket.token)
    for token in (ben.ticket.token, ""):
        with pytest.raises(RestError) as foreign:
            await room.api.call("GET", f"{path}{body['report']}/", token=token)
        assert foreign.value.status == 404
    with pytest.raises(RestError) as unknown:
        await room.api.call("GET", f"{path}{uuid.uuid4()}/", token=ada.ticket.token)
    assert unknown.value.status == 404
    await ada.close()
    await ben.close()


async def test_a_turn_that_led_to_a_card_reaches_no_model_here_either(room, model):
    ada = await spoken(room)
    assert (await ada.ask("I want to end my life")).terminals[0]["type"] == "escalated"
    await end(room)
    model.raw.clear()
    await written(room, ada.ticket.token)
    assert all("end my life" not in asked for asked in prompts(model))
    await ada.close()

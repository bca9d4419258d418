"""Fifty words spoken, typed and posted: none is in metrics, traces, logs or error pages."""

import asyncio
import base64
import json
import urllib.error
import urllib.request

import pytest

from coach.live import server
from coach.live.client import LiveClient
from tests.ops.collector import collecting
from tests.people import EVERYTHING
from tests.scripted_model import Answer, ScriptedModel, quotes, says

CANARIES = [f"quoll{n:02d}zephyr" for n in range(50)]
SPOKEN = [
    "I keep putting off the {} report for the steering group",
    "my manager said {} again and I did not answer",
    "why would {} ever work for us?",
    "I am stuck with {} and cannot begin",
    "call {} at {}@example.org about it",
    "{}",
]


def forms(canary: str) -> set[str]:
    """A word as it may be found: as it is, in capitals, and in base64 at any of three offsets."""
    found = {canary, canary.upper()}
    for shift in range(3):
        coded = base64.b64encode(b" " * shift + canary.encode()).decode()
        found.add(coded[4:-4])
    return found


async def broken(answer: Answer) -> None:
    await answer.send(b'data: {"error": {"message": "boom: ' + CANARIES[0].encode() + b'"}}\n\n')
    await answer.end()


async def refused(answer: Answer) -> None:
    await answer.refuse(500, json.dumps({"error": {"message": CANARIES[1]}}).encode())


async def cut(answer: Answer) -> None:
    await answer.delta('{"nudge": "What about ' + CANARIES[2])
    answer.cut()


def page(url: str, *, data: bytes | None = None, headers: dict[str, str] | None = None) -> str:
    """A page, whatever its status."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, data, headers or {}), timeout=10
        ) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as exc:
        return exc.read().decode()


@pytest.fixture(scope="module")
def model():
    model = ScriptedModel()
    model.start()
    yield model
    model.stop()


async def test_of_fifty_words_none_is_in_metrics_traces_logs_or_error_pages(
    demo, model, open_room, scratch
):
    with collecting() as collector:
        environment = {
            "LLM_BASE_URL": model.url, "LLM_MODEL": "scripted", "LOG_LEVEL": "DEBUG",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }  # fmt: skip
        with server.running(log=scratch / "canaries.log", environment=environment) as served:
            room = await open_room(served)
            ticket = await room.ticket(
                CANARIES[3], EVERYTHING, goal=f"more {CANARIES[4]}", profile_note=CANARIES[5]
            )
            async with LiveClient(served.ws, ticket) as ada:
                scripts = [quotes, says(f"What about {CANARIES[6]}?"), broken, refused, cut]
                ends = set()
                for n, canary in enumerate(CANARIES):
                    model.script = scripts[n % len(scripts)]
                    turn = await ada.ask(SPOKEN[n % len(SPOKEN)].format(canary, canary))
                    ends.add(turn.terminals[0]["type"])
                    await ada.send_raw(json.dumps({"type": "utterance", "text": canary}))
                    await ada.send_raw("{" + canary)
                nudge = next(e["nudge"] for e in ada.events if e["type"] == "nudge.done")
                # Malformed frames used up what one socket may send at once.
                await asyncio.sleep(1.0)
                edited = {"type": "feedback", "nudge": nudge, "verdict": "edited"}
                await ada.send(edited | {"text": CANARIES[7]})
                await ada.until("nudge.feedback")
            json_body = {"Content-Type": "application/json"}
            bearer = {"Authorization": f"Bearer {ticket.token}", **json_body}
            wrong = json.dumps({"code": CANARIES[8], "display_name": CANARIES[9]}).encode()
            pages = [
                page(f"{served.http}/api/v1/sessions/join/", data=wrong, headers=json_body),
                page(f"{served.http}/api/v1/sessions/join/", data=b"{" + wrong, headers=json_body),
                page(f"{served.http}/api/v1/suggestions/", data=wrong, headers=bearer),
                page(f"{served.http}/accounts/login/", data=b"username=" + CANARIES[10].encode()),
                page(f"{served.http}/nowhere/"),
            ]
            told = [page(f"{served.http}/metrics{rest}") for rest in ("", "/summary", "/alerts")]
        traces = b"".join(collector.raw).decode("latin-1")
        log = (scratch / "canaries.log").read_text()
    assert "nudge.done" in ends
    assert model.raw, "what was said met a model"
    assert len(collector.spans()) > 500
    assert "Application shutdown complete" in log
    for place, text in {
        "metrics": "".join(told), "traces": traces, "logs": log, "pages": "".join(pages),
    }.items():  # fmt: skip
        found = [canary for canary in CANARIES if any(form in text for form in forms(canary))]
        assert found == [], f"in {place}"

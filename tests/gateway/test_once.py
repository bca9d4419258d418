"""Each utterance is answered by one call, however often and wherever it is sent."""

import asyncio
import uuid
from contextlib import AsyncExitStack

import pytest
from django.conf import settings

from coach.live import server
from coach.live.client import LiveClient, Turn
from coach.models import Utterance
from tests.people import EVERYTHING
from tests.proofs import repeats
from tests.scripted_model import Answer, says

TIMES = 5
WORDS = ["report", "budget", "meeting", "deadline", "draft", "team", "plan", "review", "letter"]
SAYINGS = [
    "What about that do you find yourself steering around?",
    "Which part of that do you find yourself steering around?",
    "Which part of the task are you steering around?",
    "What of the task do you find yourself steering around?",
    "What do you find yourself steering around in the task?",
    "Where in the task do you find yourself steering around?",
    "So which part of the task do you find yourself steering around?",
    "And what part do you find yourself steering around?",
]


@pytest.fixture
def workers(demo, model):
    # A loaded test machine reads slowly; what is asked here is how often, not how fast.
    environment = {
        "LLM_BASE_URL": model.url, "LLM_MODEL": "scripted",
        "NUDGE_MS": "5000", "TERMINAL_MS": "8000",
    }  # fmt: skip
    log = settings.DATA_DIR / "server-once.log"
    with (
        server.running(log=log, environment=environment) as one,
        server.running(log=log, environment=environment) as two,
    ):
        yield one, two


@pytest.mark.parametrize(
    ("members", "ids"),
    [
        pytest.param(4, 15, id="each five times, 20 at once", marks=pytest.mark.timeout(300)),
        pytest.param(
            10, repeats(30, full=200), id="each five times, 50 at once",
            marks=[pytest.mark.engines, pytest.mark.timeout(900)],
        ),
    ],
)  # fmt: skip
async def test_submissions_make_one_call_for_each_id(open_room, workers, model, members, ids):
    model.script = says_another
    room = await open_room(workers[0])
    async with AsyncExitStack() as stack:
        seats = []
        for n in range(members):
            ticket = await room.ticket(f"Member {n}", EVERYTHING)
            seats.append(
                [
                    await stack.enter_async_context(LiveClient(worker.ws, ticket))
                    for worker in workers
                ]
            )
        await asyncio.gather(*(speak(pair, n, ids) for n, pair in enumerate(seats)))
    # Each utterance is numbered, so two prompts about the same one would be equal here.
    called = {prompt.rpartition("<said>")[2] for prompt in model.prompts}
    assert len(model.raw) == len(called)
    outcomes = Utterance.objects.filter(session_id=room.session)
    answered = outcomes.filter(outcome="nudge.done", nudge__source="model").count()
    assert members * ids <= answered <= len(called)


async def says_another(answer: Answer) -> None:
    """What the last seven were not, as nobody is told the same within six nudges."""
    said = int(
        answer.request["messages"][-1]["content"].rpartition("</said>")[0].rpartition(" and ")[2]
    )
    await says(SAYINGS[said % len(SAYINGS)])(answer)


async def speak(pair: list[LiveClient], name: int, ids: int) -> None:
    """Say one thing after the other, each five times at once, over both workers.

    What a loaded machine did not read in time went to no model; another id takes its place.
    """
    answered = said = 0
    while answered < ids:
        said += 1
        assert said < 2 * ids
        key = str(uuid.uuid4())
        text = f"I keep putting off the {WORDS[said % len(WORDS)]} I promised, {name} and {said}"
        turns = await repeat(pair, text, key)
        answered += any(turn.terminals[0].get("source") == "model" for turn in turns)


async def repeat(pair: list[LiveClient], text: str, key: str) -> list[Turn]:
    """Send the same thing until it is answered, as a client does that hears nothing.

    Without Redis a worker finds what another one wrote by asking, once a second.
    """
    for _ in range(10):
        turns = [await pair[k % 2].say(text, client_msg_id=key) for k in range(TIMES)]
        _, waiting = await asyncio.wait({turn.done for turn in turns}, timeout=5)
        if not waiting:
            return turns
    raise AssertionError("an utterance was never answered")

"""Each utterance is answered by one call, however often and wherever it is sent."""

import asyncio
import uuid
from contextlib import AsyncExitStack

import pytest
from django.conf import settings

from coach.live import server
from coach.live.client import LiveClient
from coach.models import Utterance
from tests.people import EVERYTHING
from tests.scripted_model import says

MEMBERS, IDS, TIMES = 10, 200, 5
WORDS = ["report", "budget", "meeting", "deadline", "draft", "team", "plan", "review", "letter"]


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


@pytest.mark.timeout(500)
async def test_ten_thousand_submissions_of_two_thousand_ids_make_two_thousand_calls(
    open_room, workers, model
):
    model.script = says("What about that do you find yourself steering around?")
    room = await open_room(workers[0])
    async with AsyncExitStack() as stack:
        seats = []
        for n in range(MEMBERS):
            ticket = await room.ticket(f"Member {n}", EVERYTHING)
            seats.append(
                [
                    await stack.enter_async_context(LiveClient(worker.ws, ticket))
                    for worker in workers
                ]
            )
        await asyncio.gather(*(speak(pair, n) for n, pair in enumerate(seats)))
    answered = Utterance.objects.filter(session_id=room.session, outcome="nudge.done").count()
    assert answered >= MEMBERS * IDS
    assert len(model.raw) == answered
    # Each utterance is numbered, so no two prompts may be about the same one.
    assert len({prompt.rpartition("<said>")[2] for prompt in model.prompts}) == answered


async def speak(pair: list[LiveClient], name: int) -> None:
    """Say one thing after the other, each five times at once, over both workers.

    What a loaded machine does not take in time is refused; another id takes its place.
    """
    answered = said = 0
    while answered < IDS:
        said += 1
        assert said < 2 * IDS
        key = str(uuid.uuid4())
        text = f"I keep putting off the {WORDS[said % len(WORDS)]} I promised, {name} and {said}"
        turns = [await pair[k % 2].say(text, client_msg_id=key) for k in range(TIMES)]
        async with asyncio.timeout(20):
            await asyncio.gather(*(turn.done for turn in turns))
        kinds = {turn.terminals[0]["type"] for turn in turns}
        answered += "nudge.done" in kinds
        assert kinds <= {"nudge.done", "error"}

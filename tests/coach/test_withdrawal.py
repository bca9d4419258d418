"""Withdrawal against sending and streaming, on two workers that share nothing but the database."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from django.conf import settings

from coach.live import server
from coach.live.client import LiveClient, RestError, rest
from coach.models import Nudge
from consent.models import Disclosure
from tests.people import EVERYTHING
from tests.proofs import repeats
from tests.scripted_model import Answer, ScriptedModel, says

RACES = repeats(96, full=500)
SILENT_S, TRIES = 0.25, 3
TOPICS = ("garden", "kitchen", "cellar", "attic", "garage", "balcony", "hallway", "studio")
SAID = "I keep putting off the {} report and do not know how to begin"


@pytest.fixture(scope="module")
def workers(demo: object, model: ScriptedModel) -> Iterator[list[server.Server]]:
    """Two processes without Redis: neither hears the other's doorbell."""
    environment = {"LLM_BASE_URL": model.url, "LLM_MODEL": "scripted"}
    running = [
        server.start(log=settings.DATA_DIR / f"server-race-{n}.log", environment=environment)
        for n in range(2)
    ]
    yield running
    for each in running:
        each.stop()


async def slowly(answer: Answer) -> None:
    """A clause every 60 ms, for longer than any race."""
    await answer.delta('{"nudge": "Which part of the report are you steering around, ')
    for _ in range(20):
        await asyncio.sleep(0.06)
        await answer.delta("and then what, ")
    await answer.delta('and why?", "cites": [1]}')
    await answer.delta(None, "stop")
    await answer.end()


class Racer:
    """Somebody who speaks on one worker and takes consent back on the other."""

    def __init__(self, client: LiveClient, api, topic: str, session: str) -> None:
        self.client, self.api, self.topic, self.session = client, api, topic, session
        self.late: list[str] = []
        self.began_late: list[float] = []
        self.stopped = 0

    async def choose(self, action: str, body: dict[str, object]) -> float:
        """When the answer was back: from then on the person knows it is done.

        Who is told to try again does; a choice made twice is the same choice.
        """
        path = f"consent/{action}/?session={self.session}"
        for left in reversed(range(TRIES)):
            try:
                await self.api.call("POST", path, body, token=self.client.ticket.token)
            except RestError as exc:
                if exc.status != 503 or not left:
                    raise
                await asyncio.sleep(1)
            else:
                break
        return time.perf_counter()

    async def race(self, model: ScriptedModel, delay_s: float) -> None:
        await self.choose("grant", {"purpose": "coaching", "fields": EVERYTHING["coaching"]})
        turn = await self.client.say(SAID.format(self.topic))
        await asyncio.sleep(delay_s)
        withdrawn = await self.choose("withdraw", {"purpose": "coaching"})
        # Socket frames are stamped as they are read; what was on its way then has arrived.
        await asyncio.sleep(SILENT_S)
        seen = len(self.client.passing)
        frame = await asyncio.wait_for(turn.done, 5)
        await asyncio.sleep(0.1)
        self.late += [f["type"] for f in self.client.passing[seen:] if f["type"] == "nudge.delta"]
        self.began_late += [
            at - withdrawn
            for at, prompt in zip(model.times, model.prompts, strict=False)
            if f" {self.topic} " in prompt.split("<said>")[-1] and at > withdrawn
        ]
        self.stopped += frame["type"] != "nudge.done"


@pytest.mark.timeout(600)
async def test_in_no_race_is_anything_shown_that_was_taken_back(workers, model, open_room):
    speaking, deciding = workers
    room = await open_room(speaking)
    rng = random.Random(3)
    model.script = slowly
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(rest(deciding.http))
        racers = []
        for topic in TOPICS:
            ticket = await room.ticket(topic.title(), EVERYTHING)
            client = await stack.enter_async_context(LiveClient(speaking.ws, ticket))
            racers.append(Racer(client, api, topic, room.session))
        for _ in range(-(-RACES // len(racers))):
            model.raw.clear()
            model.times.clear()
            await asyncio.gather(*(r.race(model, rng.uniform(0, 0.3)) for r in racers))
            assert model.open_now == 0
    assert [late for r in racers for late in r.late] == []
    assert [late for r in racers for late in r.began_late] == []
    assert sum(r.stopped for r in racers) > RACES / 2


async def test_every_nudge_of_a_model_joins_a_disclosure_that_was_logged_before_it(
    workers, model, open_room
):
    """The anti-join, over all that this run's servers ever did; the two may be on two servers."""
    room = await open_room(workers[0])
    model.script = says("What about the report do you find yourself steering around?")
    ticket = await room.ticket("Ada", EVERYTHING)
    async with LiveClient(room.server.ws, ticket) as ada:
        # The races before have cost this model some of its good name.
        for topic in TOPICS:
            if (await ada.ask(SAID.format(topic))).terminals[0]["source"] == "model":
                break
            await asyncio.sleep(0.5)
        else:
            raise AssertionError("the model was never asked again")
    logged = Disclosure.objects.filter(purpose="coaching", fields__contains=["utterance"])
    at = dict(logged.values_list("about", "at"))
    called = Nudge.objects.filter(source="model").values_list("utterance_id", "created_at")
    assert called.count() >= 1
    assert [u for u, shown in called if u not in at or at[u] > shown] == []

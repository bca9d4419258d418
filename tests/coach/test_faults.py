"""Every guard broken in every way: the road ends in a stand-in or a refusal, and calls no model.

Each fault is a real engine's substitute at that engine's boundary: its session, its database, its
finder, or the model's own stream. Everything between them is ours and real.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coach.database import DatabaseError
from coach.engines import Engines
from consent.keys import KeyRing
from consent.vault import Vault
from rag.retrieval import Retrieval
from safety.classifiers import InProcess
from safety.classifiers.heads import WIDTH
from safety.errors import SignalsBroken
from safety.redaction import Redactor
from safety.redaction.engine import FINDERS
from safety.redaction.tagger import Tagger
from tests.coach.roads import Ended, engines_with, walk
from tests.people import EVERYTHING
from tests.scripted_model import Answer, ScriptedModel, says

STUCK = "I keep putting off the report for the steering group"
HANG_S = 3.0
KINDS = ("exception", "time-out", "NaN", "wrong shape", "model missing")
NEVER_CALLED = ("guard", "redactor", "consent", "retrieval filter")
Row = tuple[Any, ...]
Break = Callable[[Engines], Engines]


@pytest.fixture(scope="module")
async def engines(demo: object, model: ScriptedModel) -> AsyncIterator[Engines]:
    async with engines_with(model) as engines:
        yield engines


class Session:
    """ONNX Runtime's session, broken in one way; `calls_to_come` first calls go well."""

    def __init__(self, kind: str, real: Any, calls_to_come: int = 0) -> None:
        self._kind, self._real, self._left = kind, real, calls_to_come

    def run(self, names: list[str], feeds: Mapping[str, Any]) -> Any:
        self._left -= 1
        if self._left >= 0:
            return self._real.run(names, feeds)
        rows = len(feeds["input_ids"])
        match self._kind:
            case "exception":
                raise RuntimeError("the runtime gave up")
            case "time-out":
                time.sleep(HANG_S)
                return self._real.run(names, feeds)
            case "NaN":
                return [np.full((rows, WIDTH), np.nan, np.float32)]
            case "wrong shape":
                return [np.zeros((rows, 3), np.float32)]
            case _:
                raise SignalsBroken("signals.onnx is missing")


def classifiers(kind: str, after: int = 0) -> Break:
    def broken(engines: Engines) -> Engines:
        good = InProcess.load()
        session = Session(kind, good._session, after)
        thread = ThreadPoolExecutor(1, "broken")
        return replace(engines, classifiers=InProcess(good.card, good.reader, session, thread))

    return broken


def redactor(kind: str) -> Break:
    class NamesSession(Session):
        def run(self, names: list[str], feeds: Mapping[str, Any]) -> Any:
            rows, tokens = feeds["input_ids"].shape
            if kind == "NaN":
                return [np.full((rows, tokens, 9), np.nan, np.float32)]
            return super().run(names, feeds)

    def broken(engines: Engines) -> Engines:
        if kind == "model missing":
            find = lambda text: Tagger.load(Path("/nowhere")).find(text)  # noqa: E731
        else:
            good = Tagger.load()
            find = replace(good, _session=NamesSession(kind, good._session)).find
        return replace(engines, redactor=Redactor.load({**FINDERS, "TRAINED": find}))

    return broken


class Rows:
    """A database that answers in one wrong way."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    async def fetch(self, query: str, params: Any = (), *, timeout_s: float) -> list[Row]:
        match self._kind:
            case "exception":
                raise DatabaseError("no connection")
            case "time-out":
                await asyncio.sleep(HANG_S)
                return []
            case "NaN":
                return [(float("nan"),) * 7]
            case "wrong shape":
                return [("one",)]
            case _:
                return []


def consent(kind: str) -> Break:
    return lambda engines: replace(
        engines,
        vault=Vault(Rows(kind), KeyRing("a vault key of this test"), unavailable=(DatabaseError,)),
    )


def retrieval(kind: str) -> Break:
    return lambda engines: replace(
        engines,
        retrieval=Retrieval(Rows(kind), engines.retrieval.encoder, unavailable=(DatabaseError,)),
    )


async def never_ends(answer: Answer) -> None:
    await answer.delta('{"nudge": "What about')
    await asyncio.sleep(HANG_S)


async def breaks_off(answer: Answer) -> None:
    await answer.delta('{"nudge": "What about')
    answer.cut()


async def says_nan(answer: Answer) -> None:
    await answer.delta('{"nudge": NaN, "cites": [NaN]}')
    await answer.delta(None, "stop")
    await answer.end()


async def says_a_list(answer: Answer) -> None:
    await answer.delta('{"nudge": ["What", "about"], "cites": {"1": 1}}')
    await answer.delta(None, "stop")
    await answer.end()


async def has_no_model(answer: Answer) -> None:
    await answer.refuse(404)


STREAMS = dict(
    zip(KINDS, (breaks_off, never_ends, says_nan, says_a_list, has_no_model), strict=True)
)
GRID: dict[tuple[str, str], Break] = {}
for kind in KINDS:
    GRID["guard", kind] = classifiers(kind)
    GRID["redactor", kind] = redactor(kind)
    GRID["consent", kind] = consent(kind)
    GRID["retrieval filter", kind] = retrieval(kind)
    GRID["gate", kind] = lambda engines: engines
    # The first reading is of the utterance; the one that fails is of the draft.
    GRID["toxicity", kind] = classifiers(kind, after=1)


async def ended(room: Any, engines: Engines, text: str = STUCK) -> Ended:
    return await walk(engines, await room.ticket("Ada", EVERYTHING, goal="Finish on time"), text)


@pytest.fixture(autouse=True)
async def healthy(engines: Engines, model: ScriptedModel, room: Any) -> None:
    """Before each fault the whole road works: what follows is the fault's doing."""
    model.script = says("What about the report do you find yourself steering around?")
    for _ in range(40):
        nudge = (await ended(room, engines)).nudge
        if nudge is not None and nudge.source == "model":
            break
        await asyncio.sleep(0.2)
    else:
        raise AssertionError("the road does not work without a fault")
    model.raw.clear()


@pytest.mark.parametrize(("guard", "kind"), GRID, ids=lambda each: each.replace(" ", "-"))
async def test_a_broken_guard_ends_in_a_stand_in_or_a_refusal(engines, model, room, guard, kind):
    if guard == "gate":
        model.script = STREAMS[kind]
    road = await ended(room, GRID[guard, kind](engines))
    assert road.utterance.outcome in ("nudge.done", "no_nudge", "blocked", "error")
    assert road.nudge is None or (road.nudge.source == "playbook" and road.nudge.reason)
    if guard in NEVER_CALLED:
        assert model.raw == []


async def test_self_harm_gets_its_card_with_every_engine_broken(engines, model, room):
    broken = classifiers("exception")(consent("exception")(retrieval("exception")(engines)))
    road = await ended(room, broken, "I want to end my life")
    assert road.utterance.outcome == "escalated"
    assert model.raw == []

"""Whatever a model does: an end in time, nothing broken taken for whole, hardly an extra call."""

import asyncio
import time
from collections import Counter

import pytest

from coach.gateway.errors import GatewayError
from tests.coach.test_model import (
    bad_bytes,
    broken,
    cut,
    drip,
    endless,
    error_json,
    hang,
    huge,
    keep_alive,
    slow_start,
    too_many,
    wrong_schema,
)
from tests.gateway.conftest import at, words
from tests.proofs import repeats
from tests.scripted_model import Answer, says

UTTERANCES, AT_ONCE = repeats(20, full=50), 5
GOOD = "What would done look like?"


async def down(answer: Answer) -> None:
    answer.cut()


FAULTS = [
    down, hang, slow_start, drip, keep_alive, cut, error_json, bad_bytes, huge, too_many, broken,
    wrong_schema, endless,
]  # fmt: skip


async def utter(gateway, ask) -> tuple[str, float]:
    """How one utterance ended, and after how many seconds."""
    began = time.monotonic()
    try:
        text, route = await words(gateway, ask, milliseconds=1300)
        assert text == GOOD
    except GatewayError as exc:
        route = exc.reason
    return route, time.monotonic() - began


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("spare", ["alone", "beside a good one", "beside another bad one"])
async def test_every_utterance_ends_in_time_and_calls_are_hardly_more(
    open_gateway, model, other, ask, fault, spare
):
    model.script = fault
    other.script = says(GOOD) if spare == "beside a good one" else fault
    routes = [at(model, "first", first_ms=300, stall_ms=400)]
    if spare != "alone":
        routes.append(at(other, "second", order=1, stall_ms=400))
    gateway = await open_gateway(*routes)
    ends: Counter[str] = Counter()
    slowest = 0.0
    for _ in range(UTTERANCES // AT_ONCE):
        for end, took in await asyncio.gather(*(utter(gateway, ask) for _ in range(AT_ONCE))):
            ends[end] += 1
            slowest = max(slowest, took)
    assert ends.total() == UTTERANCES
    assert slowest <= 1.5
    assert len(model.raw) + len(other.raw) <= 1.10 * UTTERANCES
    if spare == "beside a good one":
        # What is not answered are the failures until the first breaker opened.
        assert ends["second"] >= UTTERANCES - 10
    else:
        assert set(ends) <= {"model_unavailable", "model_late", "model_broken"}

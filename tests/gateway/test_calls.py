"""Several routes: what is tried, how often, and what is never tried again."""

import asyncio
import json
from dataclasses import replace

import pytest

from coach.gateway.errors import ContextTooLong, Killed, ModelBroken, ModelDown, ModelLate
from coach.gateway.plan import Kind, Switches, Trial
from coach.gateway.prompt import Prompt
from coach.gateway.routes import Engine, Role, Stage, Tier
from coach.live.deadline import Deadline
from tests.gateway.conftest import PROMPT, at, words
from tests.proofs import repeats
from tests.scripted_model import Answer, says


async def refuse(answer: Answer) -> None:
    await answer.refuse(500)


async def silent(answer: Answer) -> None:
    await asyncio.sleep(30)


async def test_nobody_at_the_first_address_costs_nothing_and_the_next_route_answers(
    open_gateway, other, ask, unused_tcp_port
):
    dead = replace(at(other, "dead"), base_url=f"http://127.0.0.1:{unused_tcp_port}/v1")
    gateway = await open_gateway(dead, at(other, "alive", order=1))
    other.script = says("What now?")
    for _ in range(8):
        assert await words(gateway, ask) == ("What now?", "alive")


async def test_failures_are_tried_again_elsewhere_for_a_tenth_of_calls_until_the_breaker_opens(
    open_gateway, model, other, ask
):
    gateway = await open_gateway(at(model, "bad"), at(other, "good", order=1))
    model.script = refuse
    good = failed = 0
    for _ in range(50):
        try:
            good += (await words(gateway, ask))[1] == "good"
        except ModelDown:
            failed += 1
    assert (good, failed) == (45, 5)
    assert len(model.raw) == 5
    assert len(model.raw) + len(other.raw) <= 1.10 * 50


async def test_the_deadline_is_shared_so_that_a_second_route_can_still_answer(
    open_gateway, model, other, ask
):
    gateway = await open_gateway(at(model, "slow", first_ms=200), at(other, "quick", order=1))
    for _ in range(11):
        await words(gateway, ask)
    model.script = silent
    began = asyncio.get_running_loop().time()
    assert (await words(gateway, ask, milliseconds=1500))[1] == "quick"
    assert asyncio.get_running_loop().time() - began < 1.2


async def test_after_the_first_token_nothing_is_tried_again(open_gateway, model, other, ask):
    gateway = await open_gateway(at(model, "first"), at(other, "second", order=1))
    for _ in range(11):
        await words(gateway, ask)

    async def cut(answer: Answer) -> None:
        await answer.delta('{"nudge": "What mat')
        await asyncio.sleep(0.05)
        answer.cut()

    model.script = cut
    with pytest.raises(ModelBroken):
        await words(gateway, ask)
    assert other.raw == []


async def test_an_overdue_first_token_is_hedged_within_a_twentieth_of_calls_and_the_loser_hung_up(
    open_gateway, model, other, ask
):
    gateway = await open_gateway(at(model, "a", hedge_ms=200), at(other, "b", order=1))
    for _ in range(40):
        assert (await words(gateway, ask))[1] == "a"
    model.script = silent
    winners = []
    for _ in range(3):
        try:
            winners.append((await words(gateway, ask, milliseconds=600))[1])
        except ModelLate:
            winners.append("none")
    assert winners == ["b", "b", "none"]
    await until(lambda: model.open_now == 0)
    assert model.disconnected == 3
    assert len(other.raw) == 2


async def until(true, limit_s: float = 2.0) -> None:
    end = asyncio.get_running_loop().time() + limit_s
    while not true():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.005)


async def test_a_context_error_is_answered_with_a_shorter_prompt(open_gateway, model, ask):
    gateway = await open_gateway(at(model))
    short = Prompt(({"role": "user", "content": "short"},), passages=1, tokens=70)
    asked: list[int] = []

    def shorten(most: int) -> Prompt:
        asked.append(most)
        return short

    long = replace(PROMPT, shorten=shorten)

    async def small_context(answer: Answer) -> None:
        if answer.request["messages"][-1]["content"] == "short":
            await says("What now?")(answer)
        else:
            body = b'{"error": {"message": "maximum context length is 64 tokens"}}'
            await answer.refuse(400, body)

    model.script = small_context
    with pytest.raises(ContextTooLong):
        await words(gateway, ask, prompt=long)
    model.script = says("x y z now")
    for _ in range(10):
        await words(gateway, ask)
    model.script = small_context
    assert (await words(gateway, ask, prompt=long))[0] == "What now?"
    assert asked[-1] == 70


async def test_a_prompt_wider_than_every_route_is_shortened_before_it_is_sent(
    open_gateway, model, ask
):
    gateway = await open_gateway(at(model, context_tokens=1000, max_tokens=100))
    short = Prompt(({"role": "user", "content": "short"},), passages=1, tokens=800)
    long = replace(PROMPT, tokens=3000, shorten=lambda most: short if most >= 800 else None)
    await words(gateway, ask, prompt=long)
    assert model.prompts == ["short"]


def sure(logprob: float, text: str):
    """A model that tells how sure it is of each token."""

    async def play(answer: Answer) -> None:
        body = json.dumps({"nudge": text, "cites": [1]})
        for n in range(0, len(body), 3):
            chunk = {
                "choices": [{
                    "delta": {"content": body[n : n + 3]},
                    "logprobs": {"content": [{"logprob": logprob}]},
                }]
            }  # fmt: skip
            await answer.send(f"data: {json.dumps(chunk)}\n\n".encode())
        await answer.delta(None, "stop")
        await answer.end()

    return play


async def test_an_unsure_small_model_is_followed_by_a_heavier_one_once(
    open_gateway, model, other, ask
):
    small = at(model, "small", logprobs=True, least_confidence=-1.0)
    large = at(other, "large", tier=Tier.HEAVY, first_ms=400, logprobs=True, least_confidence=-1.0)
    gateway = await open_gateway(small, large)
    model.script = sure(-0.2, "What would done look like?")
    assert (await words(gateway, ask))[1] == "small"
    model.script, other.script = sure(-2.0, "Dunno, what now?"), sure(-3.0, "What matters here?")
    assert await words(gateway, ask) == ("What matters here?", "large")
    assert model.requests[0]["logprobs"] is True
    await until(lambda: model.open_now == 0)


async def test_unsure_words_are_used_when_there_is_no_time_or_no_luck_for_heavier_ones(
    open_gateway, model, other, ask
):
    small = at(model, "small", logprobs=True, least_confidence=-1.0)
    large = at(other, "large", tier=Tier.HEAVY, first_ms=400)
    gateway = await open_gateway(small, large)
    model.script = sure(-2.0, "Dunno, what now?")
    assert (await words(gateway, ask, milliseconds=300))[1] == "small"
    assert other.raw == []
    other.script = refuse
    assert (await words(gateway, ask))[0] == "Dunno, what now?"


async def test_a_shadow_is_asked_the_same_and_shown_to_nobody(open_gateway, model, other, ask):
    shadow = Trial(1, "shadow", Kind.SHADOW, Role.NUDGE, "new", 100)
    new = at(other, "new", stage=Stage.SHADOW)
    gateway = await open_gateway(at(model), new, trials=(shadow,))
    model.script, other.script = says("What now?"), says("Never seen by anyone")
    assert await words(gateway, ask) == ("What now?", "default")
    await until(lambda: len(other.raw) == 1)
    assert other.requests[0]["messages"] == model.requests[0]["messages"]


async def test_a_tenant_s_salt_goes_to_vllm_and_to_nobody_else(open_gateway, model, other, ask):
    salted = replace(ask, salt="ab" * 16)
    gateway = await open_gateway(at(model, engine=Engine.VLLM))
    await words(gateway, salted)
    plain = await open_gateway(at(other))
    await words(plain, salted)
    assert model.requests[0]["cache_salt"] == "ab" * 16
    assert "cache_salt" not in other.requests[0]


async def test_a_switch_stops_what_runs_and_what_would_begin(open_gateway, model, ask):
    gateway = await open_gateway(at(model))

    async def long(answer: Answer) -> None:
        await answer.delta('{"nudge": "What')
        await asyncio.sleep(30)

    model.script = long
    running = asyncio.create_task(words(gateway, ask))
    await until(lambda: model.open_now == 1)
    await asyncio.sleep(0.05)
    gateway.adopt(
        replace(gateway.plan, switches=Switches(organisations=frozenset([ask.organisation])))
    )
    began = asyncio.get_running_loop().time()
    with pytest.raises(Killed):
        await running
    assert asyncio.get_running_loop().time() - began < 0.1
    with pytest.raises(Killed):
        await words(gateway, ask)
    await until(lambda: model.open_now == 0)
    assert len(model.raw) == 1


async def test_cancels_leak_neither_tasks_nor_sockets_nor_places_in_the_pool(
    open_gateway, model, ask
):
    gateway = await open_gateway(at(model))

    async def slow(answer: Answer) -> None:
        await answer.delta('{"nudge": "What')
        await asyncio.sleep(30)

    model.script = slow
    before = len(asyncio.all_tasks())
    cancelled = 0
    while cancelled < CANCELS:
        tasks = [asyncio.create_task(words(gateway, ask)) for _ in range(50)]
        await asyncio.sleep(0.002 * (cancelled // 50 % 20))
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(r, asyncio.CancelledError) for r in results)
        cancelled += len(tasks)
    await until(lambda: model.open_now == 0, 10)
    await until(lambda: len(asyncio.all_tasks()) <= before)
    assert gateway.sessions() == set()
    model.script = says("What now?")
    assert (await words(gateway, ask))[0] == "What now?"


CANCELS = repeats(1_000, full=10_000)


async def test_a_late_first_token_is_late_whoever_notices_first(open_gateway, model, ask):
    gateway = await open_gateway(at(model))
    model.script = silent
    for _ in range(5):
        with pytest.raises((ModelLate, TimeoutError)):
            async with gateway.draft(
                PROMPT, ask, deadline=Deadline.after_ms(500), first_by=Deadline.after_ms(30)
            ):
                pass
    assert gateway.states() == {"default": "open"}

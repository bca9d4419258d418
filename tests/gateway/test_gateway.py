import asyncio
import uuid
from collections.abc import Iterator

import pytest

from coach.gateway.breaker import State
from coach.gateway.errors import (
    GatewayError,
    ModelBroken,
    ModelDown,
    ModelLate,
    NoRoute,
    RouteClosed,
)
from coach.gateway.gateway import Gateway
from coach.gateway.plan import Plan
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Route
from coach.live.deadline import Deadline
from tests.scripted_model import Answer, ScriptedModel, says

ASK = Ask(uuid.uuid4(), uuid.uuid4())
PROMPT = Prompt(
    messages=({"role": "system", "content": "s"}, {"role": "user", "content": "u"}), passages=2
)


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    model = ScriptedModel()
    model.start()
    yield model
    model.stop()


@pytest.fixture
async def gateway(model):
    async with Gateway(Plan((Route("default", model.url, "tiny"),))) as gateway:
        yield gateway


async def words(gateway: Gateway, milliseconds: float = 2000) -> tuple[str, tuple[int, ...]]:
    async with gateway.draft(PROMPT, ASK, deadline=Deadline.after_ms(milliseconds)) as draft:
        text = "".join([piece async for piece in draft])
        assert draft.body is not None
        return text, draft.body.cites


async def test_a_draft_streams_its_words_and_ends_with_its_citations(gateway, model):
    model.script = says("What would done look like?", (2,))
    assert await words(gateway) == ("What would done look like?", (2,))


async def test_the_request_asks_for_a_bounded_streamed_schema(gateway, model):
    await words(gateway)
    request = model.requests[0]
    assert request["stream"] is True
    assert request["max_tokens"] <= 160
    schema = request["response_format"]["json_schema"]["schema"]
    assert next(iter(schema["properties"])) == "nudge"
    assert schema["properties"]["cites"]["items"]["maximum"] == 2


async def cut_after(answer: Answer) -> None:
    await answer.delta('{"nudge": "What mat')
    answer.cut()


async def no_done(answer: Answer) -> None:
    await answer.delta('{"nudge": "What matters?", "cites": [1]}')
    answer.writer.write(b"0\r\n\r\n")
    await answer.writer.drain()


async def length(answer: Answer) -> None:
    await answer.delta('{"nudge": "What matters?", "cites": [1]}')
    await answer.delta(None, "length")
    await answer.end()


async def error_inside(answer: Answer) -> None:
    await answer.delta('{"nudge": "What')
    await answer.send(b'data: {"error": {"message": "out of memory"}}\n\n')
    await answer.end()


async def bad_utf8(answer: Answer) -> None:
    await answer.delta('{"nudge": "What')
    await answer.send(b"data: \xff\xfe{\n\n")
    await answer.end()


async def megabyte(answer: Answer) -> None:
    await answer.delta('{"nudge": "' + "a" * 1_000_000)
    await answer.end()


async def not_json(answer: Answer) -> None:
    await answer.delta("I think you should ask what matters.")
    await answer.delta(None, "stop")
    await answer.end()


@pytest.mark.parametrize(
    "script", [cut_after, no_done, length, error_inside, bad_utf8, megabyte, not_json],
    ids=lambda s: s.__name__,
)  # fmt: skip
async def test_an_answer_that_is_not_whole_is_no_answer(gateway, model, script):
    model.script = script
    with pytest.raises(ModelBroken):
        await words(gateway)


async def drip(answer: Answer) -> None:
    for character in '{"nudge": "What matters?", "cites": [1]}':
        await answer.delta(character)
        await asyncio.sleep(0.6)


async def keep_alive(answer: Answer) -> None:
    while True:
        await answer.send(b": still here\n\n")
        await asyncio.sleep(0.05)


async def silent(answer: Answer) -> None:
    await asyncio.sleep(30)


async def endless(answer: Answer) -> None:
    await answer.delta('{"nudge": "')
    while True:
        await answer.delta("more ")
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("script", "error"),
    [(drip, ModelLate), (keep_alive, ModelLate), (silent, ModelLate), (endless, GatewayError)],
    ids=lambda s: s.__name__,
)
async def test_time_is_kept_whatever_the_server_does(gateway, model, script, error):
    model.script = script
    began = asyncio.get_running_loop().time()
    with pytest.raises(error):
        await words(gateway, 700)
    assert asyncio.get_running_loop().time() - began < 1.2


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
async def test_a_refusal_is_one_call_and_no_retry(gateway, model, status):
    async def refuse(answer: Answer) -> None:
        await answer.refuse(status)

    model.script = refuse
    with pytest.raises(ModelDown):
        await words(gateway)
    assert len(model.raw) == 1


async def test_leaving_early_closes_the_call_upstream(gateway, model):
    model.script = endless
    async with gateway.draft(PROMPT, ASK, deadline=Deadline.after_ms(5000)) as draft:
        async for _ in draft:
            break
    for _ in range(50):
        if model.disconnected:
            break
        await asyncio.sleep(0.005)
    assert model.disconnected == 1


async def test_five_failures_close_the_route_and_it_opens_again_by_itself(gateway, model):
    model.script = not_json
    for _ in range(5):
        with pytest.raises(ModelBroken):
            await words(gateway)
    with pytest.raises(RouteClosed):
        await words(gateway)
    assert len(model.raw) == 5
    model.script = says("What now?")
    await asyncio.sleep(2.1)
    for _ in range(3):
        assert (await words(gateway))[0] == "What now?"
    assert gateway.states() == {"default": State.CLOSED}


async def test_without_a_route_there_is_no_call():
    async with Gateway(Plan()) as gateway:
        with pytest.raises(NoRoute):
            await words(gateway)


async def test_nobody_there_is_said_at_once(unused_tcp_port):
    route = Route("default", f"http://127.0.0.1:{unused_tcp_port}/v1", "tiny")
    async with Gateway(Plan((route,))) as gateway:
        with pytest.raises(ModelDown):
            await words(gateway)

"""The adapter against a server of our own that speaks Triton's protocol on a real socket."""

import asyncio

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from safety.classifiers import Triton, behind_triton
from safety.classifiers.heads import WIDTH
from safety.errors import SignalsBroken, SignalsLate

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
WORDS = "I think I could start tomorrow"


class Server(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # generated
    """Answers with what `answer` makes of a request's arrays; counts the requests."""

    def __init__(self, answer, described=None):
        self.answer, self.described, self.asked = answer, described or {}, 0

    async def ModelInfer(self, request, context):
        self.asked += 1
        arrays = {
            told.name: np.frombuffer(raw, np.int64).reshape(tuple(told.shape))
            for told, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        scores = await self.answer(arrays)
        reply = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="1")
        told = reply.outputs.add(name="scores", datatype="FP32")
        told.shape.extend(scores.shape)
        reply.raw_output_contents.append(scores.astype(np.float32).tobytes())
        return reply

    async def ModelConfig(self, request, context):
        reply = service_pb2.ModelConfigResponse()
        for name, value in self.described.items():
            reply.config.parameters[name].string_value = value
        return reply


@pytest.fixture
async def serve():
    servers = []

    async def start(servicer):
        server = grpc.aio.server()
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        await server.stop(None)


def same_model(model):
    async def answer(arrays):
        return model._session.run(["scores"], {name: arrays[name] for name in INPUTS})[0]

    return answer


async def hang(arrays):
    await asyncio.sleep(30)
    return np.zeros((1, WIDTH))


async def numberless(arrays):
    return np.full((1, WIDTH), np.nan)


async def narrow(arrays):
    return np.zeros((1, WIDTH - 2))


async def test_a_reading_over_the_wire_equals_one_in_process(model, serve):
    triton = Triton(await serve(Server(same_model(model))), model.card, model.reader)
    over = await triton.read_signals(WORDS, previous="When?", timeout_s=5.0)
    assert over == await model.read_signals(WORDS, previous="When?", timeout_s=5.0)
    await triton.close()


async def test_a_server_that_hangs_is_late(model, serve):
    triton = Triton(await serve(Server(hang)), model.card, model.reader)
    with pytest.raises(SignalsLate):
        await triton.read_signals(WORDS, timeout_s=0.2)
    await triton.close()


@pytest.mark.parametrize("answer", [numberless, narrow])
async def test_an_answer_that_is_no_reading_is_broken(model, serve, answer):
    triton = Triton(await serve(Server(answer)), model.card, model.reader)
    with pytest.raises(SignalsBroken):
        await triton.read_signals(WORDS, timeout_s=5.0)
    await triton.close()


async def test_no_server_at_all_is_broken_or_late_and_never_slow(model):
    triton = Triton("127.0.0.1:9", model.card, model.reader)
    with pytest.raises((SignalsBroken, SignalsLate)):
        await triton.read_signals(WORDS, timeout_s=0.5)
    await triton.close()


async def test_the_same_model_is_accepted_and_another_is_not(model, serve):
    ours = {"version": model.card.version, "sha256": model.card.digest}
    good = Triton(await serve(Server(hang, ours)), model.card, model.reader)
    await good.check(timeout_s=5.0)
    other = Triton(await serve(Server(hang, ours | {"sha256": "0"})), model.card, model.reader)
    with pytest.raises(SignalsBroken, match="another model"):
        await other.check(timeout_s=5.0)
    await good.close()
    await other.close()


async def test_the_process_reads_on_while_the_server_hangs(model, serve):
    server = Server(hang)
    both = behind_triton(await serve(server), model)
    for _ in range(6):
        signals = await both.read_signals(WORDS, timeout_s=1.0)
        assert signals.version == model.card.version
    assert server.asked == 3
    assert isinstance(both.first, Triton)
    await both.first.close()

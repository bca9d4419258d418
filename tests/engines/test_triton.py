"""The signals model behind a real Triton: the same readings as in process, and its absence."""

import asyncio
import sys
import time

import numpy as np
import pytest
from django.conf import settings

from coach.live import server
from safety.classifiers import InProcess, behind_triton
from safety.classifiers.triton import Triton
from safety.errors import SignalsBroken
from tests.engines import processes

pytestmark = pytest.mark.engines
SAID = [
    "I keep putting off the report for the steering group",
    "What would done look like to you?",
    "mm-hm",
    "He changed the interface without telling anyone and I was so angry",
]


@pytest.fixture(scope="module")
def own() -> InProcess:
    return InProcess.load()


@pytest.fixture(scope="module")
def triton(own, tmp_path_factory):
    """tritonserver from its wheel, as `make triton` starts it, on ports of its own."""
    processes.installed("triton")
    grpc, http, metrics = (server.free_port() for _ in range(3))
    command = [
        sys.executable, "deploy/triton/serve.py", f"--work={tmp_path_factory.mktemp('triton')}",
        f"--grpc-port={grpc}", f"--http-port={http}", f"--metrics-port={metrics}",
    ]  # fmt: skip
    with processes.running(
        command, processes.answers(f"http://127.0.0.1:{http}/v2/health/ready"),
        log=settings.DATA_DIR / "triton.log", limit_s=90,
    ) as process:  # fmt: skip
        yield process, f"127.0.0.1:{grpc}"


async def first_reading(engine: Triton) -> None:
    """The server refuses what waits for 100 ms, and its first inferences are slow."""
    for _ in range(50):
        try:
            await engine.read_signals(SAID[0], timeout_s=2)
        except SignalsBroken:
            await asyncio.sleep(0.1)
        else:
            return


async def test_triton_reads_what_we_read_and_in_time_and_we_stand_in_when_it_dies(triton, own):
    process, url = triton
    engine = Triton(url, own.card, own.reader)
    await engine.check(timeout_s=5)
    await first_reading(engine)
    for text in SAID:
        there = await engine.read_signals(text, timeout_s=2)
        here = own.read_now(text, role="participant")
        assert there.act == here.act
        assert there.toxicity == pytest.approx(here.toxicity, abs=0.02)
        assert there.self_harm == pytest.approx(here.self_harm, abs=0.02)

    spent, refused = [], 0
    for _ in range(100):
        began = time.perf_counter()
        try:
            await engine.read_signals(SAID[0], timeout_s=2)
        except SignalsBroken:
            refused += 1
        spent.append((time.perf_counter() - began) * 1000)
    print(f"Triton over gRPC, n=100: p50 {np.median(spent):.1f} ms, "
          f"p95 {np.quantile(spent, 0.95):.1f} ms")  # fmt: skip
    assert np.quantile(spent, 0.95) < 100
    assert refused <= 2
    await engine.close()

    both = behind_triton(url, own)
    assert (await both.read_signals(SAID[0], timeout_s=2)).act
    processes.end(process)
    for _ in range(5):
        began = time.perf_counter()
        assert (await both.read_signals(SAID[0], timeout_s=0.35)).act
        assert time.perf_counter() - began < 0.5
    assert both.degraded


async def test_another_model_than_ours_is_refused(triton, own):
    from dataclasses import replace

    _, url = triton
    engine = Triton(url, replace(own.card, version="another"), own.reader)
    with pytest.raises(SignalsBroken):
        await engine.check(timeout_s=2)
    await engine.close()

"""The road against a real vLLM, alive, killed in the middle, and back."""

import asyncio
import urllib.request
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from django.conf import settings

from coach.demo.load import REHEARSAL_FILE
from coach.demo.rehearsal import Line, rehearse
from coach.live import server
from coach.live.client import LiveClient, rest
from safety.jsonlines import read
from tests.engines import processes
from tests.people import EVERYTHING

pytestmark = pytest.mark.engines
STUCK = "I keep putting off the report for the steering group"


def script() -> list[Line]:
    rows = read(REHEARSAL_FILE, {"speaker": str, "text": str})
    return [Line(row["speaker"], row["text"]) for row in rows]


@pytest.fixture(scope="module")
def port() -> int:
    return server.free_port()


@pytest.fixture(scope="module")
def served(demo, port):
    environment = {"LLM_BASE_URL": f"http://127.0.0.1:{port}/v1", "LLM_MODEL": "tiny"}
    with server.running(
        log=settings.DATA_DIR / "server-vllm.log", environment=environment
    ) as running:
        yield running


def metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def judged(terminal: Mapping[str, Any]) -> bool:
    """Whether a model's draft came in time and was read through.

    The tiny model knows the playbook by heart and does not look at its prompt, so that most of its
    drafts rest on none of the passages they were given, and are stood in for.
    """
    reason = str(terminal.get("reason") or "")
    return terminal.get("source") == "model" or reason == "ungrounded" or reason[:5] == "gate_"


async def test_nudges_stream_from_vllm_and_survive_its_death(demo, port, served):
    log = settings.DATA_DIR / "vllm.log"
    async with rest(served.http, demo.token or "") as api:
        with processes.vllm(port, log) as engine:
            await warm(api, served)
            alive = await rehearse(script(), api, served.ws)
            summary = alive.summary()
            assert summary["exactly_one_terminal"] == summary["turns"]
            drafted = [judged(p.terminal or {}) for p in alive.played]
            assert sum(drafted) > 0.6 * sum(
                (p.terminal or {}).get("type") == "nudge.done" for p in alive.played
            )
            assert abs(1 - summary["stages_over_total"]) < 0.05
            assert metric(port, "vllm:prefix_cache_hits_total") > 0

            said = 0

            def kill_in_the_middle(_played):
                nonlocal said
                said += 1
                if said == 30:
                    processes.end(engine)

            dying = await rehearse(script(), api, served.ws, heard=kill_in_the_middle)
        summary = dying.summary()
        assert summary["exactly_one_terminal"] == summary["turns"]
        assert summary["frame_to_terminal_ms"]["max"] <= 1500
        terminals = [p.terminal or {} for p in dying.played[30:]]
        after = [frame for frame in terminals if frame["type"] == "nudge.done"]
        assert Counter(f["source"] for f in after) == {"playbook": len(after)}
        # Words that ask for care were never a matter for the model.
        assert all(f["reason"] or "help" in f for f in after)

        session = await api.call("POST", "sessions/", {"title": "Back", "cooldown_s": 0})
        ticket = await api.join(session["join_code"], "Ada", EVERYTHING)
        with processes.vllm(port, log):
            async with LiveClient(served.ws, ticket) as ada:
                back = asyncio.get_running_loop().time()
                while not judged((await ada.ask(STUCK)).terminals[0]):
                    assert asyncio.get_running_loop().time() - back < 5
                    await asyncio.sleep(0.2)

                for _ in range(5):
                    await ada.say(STUCK)
                    await asyncio.sleep(0.15)
                    await ada.ask("mm-hm")
                await asyncio.sleep(0.5)
                assert metric(port, "vllm:num_requests_running") == 0


async def warm(api, served) -> None:
    """The first guided request compiles its grammar; a rehearsal is not about that."""
    session = await api.call("POST", "sessions/", {"title": "Warm", "cooldown_s": 0})
    ticket = await api.join(session["join_code"], "Ada", EVERYTHING)
    async with LiveClient(served.ws, ticket) as ada:
        for _ in range(20):
            if judged((await ada.ask(STUCK)).terminals[0]):
                return
            await asyncio.sleep(0.3)

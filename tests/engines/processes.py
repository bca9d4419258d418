"""Real engines as child processes: started, awaited, and always ended by their own id."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ROOT / ".engines"
PLAYBOOK = ROOT / "coach" / "demo" / "playbook.jsonl"


def installed(engine: str) -> Path:
    """The engine's own Python, installed on first use."""
    subprocess.run([sys.executable, str(Path(__file__).parent / "install.py"), engine], check=True)
    return ENGINES / engine / "bin" / "python"


@contextmanager
def running(
    command: list[str],
    ready: Callable[[], bool],
    *,
    log: Path,
    environment: dict[str, str] | None = None,
    limit_s: float = 240.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, so that its children end with it."""
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
            env={**os.environ, **(environment or {})}, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + limit_s
        while not ready():
            assert process.poll() is None, log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < until, log.read_text(errors="replace")[-3000:]
            time.sleep(0.3)
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGKILL) -> None:
    """End the process and everything it started; its session's id is its own process id."""
    try:
        os.killpg(process.pid, how)
    except ProcessLookupError:
        pass
    process.wait(20)


def answers(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return ask


def listens(port: int) -> Callable[[], bool]:
    def ask() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return ask


def tiny_model(python: Path, folder: Path) -> Path:
    """The tiny model, made once a machine."""
    if not (folder / "model.safetensors").exists():
        script = str(Path(__file__).parent / "tiny_model.py")
        subprocess.run([str(python), script, str(folder), str(PLAYBOOK)], check=True)
    return folder


@contextmanager
def vllm(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real vLLM with the tiny model, listening on loopback."""
    python = installed("vllm")
    model = tiny_model(python, ENGINES / "tiny-model")
    command = [
        str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model),
        "--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port),
        "--dtype", "float32", "--max-model-len", "4096", "--enforce-eager",
    ]  # fmt: skip
    environment = {
        "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }  # fmt: skip
    with running(
        command, answers(f"http://127.0.0.1:{port}/health"), log=log, environment=environment
    ) as process:
        yield process


@contextmanager
def redis(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with running(command, listens(port), log=log, limit_s=20) as process:
        yield process

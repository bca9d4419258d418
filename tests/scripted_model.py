"""A model server at the wire: records each request byte for byte, and plays what it is told."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

HEADERS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
)
Script = Callable[["Answer"], Awaitable[None]]


@dataclass
class Answer:
    """The response to one request, written piece by piece."""

    request: dict[str, Any]
    writer: asyncio.StreamWriter
    begun: bool = False

    async def send(self, raw: bytes) -> None:
        if not self.begun:
            self.writer.write(HEADERS)
            self.begun = True
        self.writer.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
        await self.writer.drain()

    async def delta(self, content: str | None, finish: str | None = None) -> None:
        delta = {} if content is None else {"content": content}
        chunk = {
            "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }  # fmt: skip
        await self.send(f"data: {json.dumps(chunk)}\n\n".encode())

    async def end(self) -> None:
        await self.send(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def refuse(self, status: int, body: bytes = b'{"error": {"message": "no"}}') -> None:
        self.writer.write(
            f"HTTP/1.1 {status} No\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
            + body
        )
        await self.writer.drain()

    def cut(self) -> None:
        self.writer.transport.abort()


def says(
    nudge: str, cites: tuple[int, ...] = (1,), *, pause_s: float = 0.0, size: int = 7
) -> Script:
    """A well-behaved model: this nudge as JSON, in small chunks."""
    body = json.dumps({"nudge": nudge, "cites": list(cites)})

    async def play(answer: Answer) -> None:
        for at in range(0, len(body), size):
            await answer.delta(body[at : at + size])
            if pause_s:
                await asyncio.sleep(pause_s)
        await answer.delta(None, "stop")
        await answer.end()

    return play


async def quotes(answer: Answer) -> None:
    """A model that keeps to its material: the first passage of its prompt, word for word."""
    prompt = answer.request["messages"][-1]["content"]
    found = re.search(r'<passage n="1"[^>]*>(.*?)</passage>', prompt, re.DOTALL)
    await says(found[1] if found else "What matters most to you in this?")(answer)


@dataclass
class ScriptedModel:
    """Listens on loopback in a thread of its own; `script` may be changed at any time."""

    script: Script = quotes
    raw: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    open_now: int = 0
    disconnected: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.raw]

    @property
    def prompts(self) -> list[str]:
        return ["\n".join(m["content"] for m in r["messages"]) for r in self.requests]

    def start(self) -> None:
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def serve() -> None:
            self._server = await asyncio.start_server(self._answer, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]
            ready.set()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(serve())
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(5)

    def stop(self) -> None:
        async def close() -> None:
            self._server.close()
            tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_now += 1
        watch: asyncio.Task[bytes] | None = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line.split(b":")[1]) for line in head.split(b"\r\n")
                 if line.lower().startswith(b"content-length:")),
                0,
            )  # fmt: skip
            body = await reader.readexactly(length)
            self.raw.append(body)
            self.times.append(time.perf_counter())
            play = asyncio.ensure_future(self.script(Answer(json.loads(body), writer)))
            watch = asyncio.ensure_future(reader.read(1))
            await asyncio.wait({play, watch}, return_when=asyncio.FIRST_COMPLETED)
            if not play.done():
                self.disconnected += 1
                play.cancel()
            await asyncio.gather(play, return_exceptions=True)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open_now -= 1
            if watch is not None:
                watch.cancel()
            writer.close()

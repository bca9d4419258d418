"""An OpenTelemetry collector at the wire: takes spans over HTTP, or never answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Told:
    """One span as it arrived."""

    trace: bytes
    id: bytes
    parent: bytes
    name: str
    attributes: dict[str, Any]


@dataclass
class Collector:
    """What came in, as bytes and as spans; while `hangs` is set nothing is answered."""

    hangs: bool = False
    port: int = 0
    raw: list[bytes] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spans(self) -> list[Told]:
        found = []
        for body in list(self.raw):
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    found += [_told(span) for span in scope.spans]
        return found


def _told(span: Any) -> Told:
    attributes = {}
    for pair in span.attributes:
        kind = pair.value.WhichOneof("value")
        attributes[pair.key] = getattr(pair.value, kind)
    return Told(span.trace_id, span.span_id, span.parent_span_id, span.name, attributes)


@contextmanager
def collecting(*, hangs: bool = False) -> Iterator[Collector]:
    collector = Collector(hangs)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if collector.hangs:
                collector.released.wait(60)
                return
            collector.raw.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Its own access log is nobody's business here."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)

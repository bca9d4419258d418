"""One trace for each utterance, when a collector is named; else nothing is loaded and nothing told.

Spans go into a queue that a thread of its own empties. A collector that is slow or gone costs
spans, which are counted, and never a person's time.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.conf import settings

from coach.ops import metrics
from coach.ops.logs import speechless

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import Tracer

log = structlog.get_logger(__name__)

QUEUE_SPANS = 2048
BATCH_SPANS = 256
EVERY_MS = 1000
EXPORT_S = 2.0
GOODBYE_S = 2.0

Told = str | int | float | bool
Attributes = Mapping[str, Told | None]

_tracer: "Tracer | None" = None


class Span:
    """A stretch of time with ids, numbers and short words; without a tracer it does nothing."""

    __slots__ = ("_otel",)

    def __init__(self, otel: "OtelSpan | None" = None) -> None:
        self._otel = otel

    def tell(self, attributes: Attributes) -> None:
        """Note these attributes; None is left out, and what could be speech is not told."""
        if self._otel is not None:
            for name, value in attributes.items():
                if value is not None:
                    self._otel.set_attribute(name, speechless(name, value))

    def failed(self, error: BaseException) -> None:
        """Note the error's type; its message may quote what was said."""
        self.tell({"error.type": type(error).__name__})

    def end(self) -> None:
        if self._otel is not None:
            self._otel.end()
            metrics.SPANS.labels("ended").inc()

    @contextmanager
    def current(self) -> Iterator["Span"]:
        """Spans begun in the block are this one's parts; it ends with the block."""
        if self._otel is None:
            yield self
            return
        from opentelemetry.trace import use_span

        try:
            with use_span(self._otel, record_exception=False, set_status_on_exception=False):
                yield self
        except BaseException as exc:
            self.failed(exc)
            raise
        finally:
            self.end()

    @contextmanager
    def part(self, name: str) -> Iterator["Span"]:
        """A part of this span, wherever the block runs."""
        if self._otel is None or _tracer is None:
            yield OFF
            return
        from opentelemetry.trace import set_span_in_context

        begun = _tracer.start_span(name, context=set_span_in_context(self._otel))
        with Span(begun).current() as part:
            yield part


OFF: Final = Span()


def begin(name: str) -> Span:
    """The first span of a new trace. Whoever begins it ends it."""
    if _tracer is None:
        return OFF
    from opentelemetry.context import Context

    return Span(_tracer.start_span(name, context=Context()))


def begin_part(name: str, attributes: Attributes) -> Span:
    """A part of the current span, to be ended by whoever began it; nothing outside a trace."""
    if _tracer is None:
        return OFF
    from opentelemetry.trace import get_current_span

    if not get_current_span().is_recording():
        return OFF
    made = Span(_tracer.start_span(name))
    made.tell(attributes)
    return made


@contextmanager
def span(name: str, attributes: Attributes | None = None) -> Iterator[Span]:
    """A part of the current span around this block; nothing outside a trace."""
    if _tracer is None:
        yield OFF
        return
    with begin_part(name, attributes or {}).current() as part:
        yield part


@asynccontextmanager
async def tracing() -> AsyncIterator[None]:
    """Tell traces to `OTEL_EXPORTER_OTLP_ENDPOINT` for as long as the block lasts, if it is set."""
    global _tracer
    endpoint = settings.ENV.otel_exporter_otlp_endpoint
    if not endpoint:
        yield
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    processor = BatchSpanProcessor(
        _exporter(endpoint),
        max_queue_size=QUEUE_SPANS,
        max_export_batch_size=BATCH_SPANS,
        schedule_delay_millis=EVERY_MS,
    )
    # Without its own exit hook, which would wait for a collector that does not answer.
    provider = TracerProvider(
        resource=Resource.create({"service.name": "sidecoach"}), shutdown_on_exit=False
    )
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("sidecoach")
    try:
        yield
    finally:
        _tracer = None
        await _say_goodbye(processor)


async def _say_goodbye(processor: Any) -> None:
    """Send what is left, but wait no longer for it than GOODBYE_S."""
    thread = threading.Thread(target=processor.shutdown, daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, GOODBYE_S)
    if thread.is_alive():
        log.warning("traces.unsent")


def _exporter(endpoint: str) -> "SpanExporter":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    class Counted(OTLPSpanExporter):
        """Counts what was sent, and what no collector took."""

        def export(self, spans: "Sequence[ReadableSpan]") -> "SpanExportResult":
            result = super().export(spans)
            sent = result is SpanExportResult.SUCCESS
            metrics.SPANS.labels("sent" if sent else "lost").inc(len(spans))
            return result

    return Counted(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_S)

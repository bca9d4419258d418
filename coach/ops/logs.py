"""Structured logs through one choke point: ids, counts, milliseconds and reasons, no words."""

import logging
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

# Whatever a caller hands over under these names is speech or a secret, and never leaves.
SPEECH = frozenset(
    {"text", "body", "prompt", "draft", "clause", "utterance_text", "display_name", "goal"}
    | {"profile_note", "password", "token", "code", "value", "frame", "payload", "content"}
)


def drop_speech(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The event without the values that could hold speech; the name stays, to be found."""
    for name in SPEECH & event.keys():
        event[name] = "[not logged]"
    return event


def configure(options: dict[str, Any]) -> None:
    """Route structlog and the standard library into one stream of lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        drop_speech,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if options["json"]
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_locals,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(options["level"])
    for noisy in ("httpx", "httpx2", "httpcore", "openai", "presidio-analyzer", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _without_locals(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A traceback's places and the exception's type; its message may quote what was said."""
    info = event.pop("exc_info", None)
    if isinstance(info, tuple) and info[0] is not None:
        kind, _, trace = info
        frames = []
        while trace is not None:
            code = trace.tb_frame.f_code
            frames.append(f"{code.co_filename.rsplit('/', 3)[-1]}:{trace.tb_lineno}:{code.co_name}")
            trace = trace.tb_next
        event["error"] = kind.__name__
        event["at"] = frames[-8:]
    return event

"""Structured logs through one choke point: ids, counts, milliseconds and reasons, no words."""

import logging
import numbers
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

# Whatever a caller hands over under these names is speech or a secret, and never leaves.
SPEECH = frozenset(
    {"text", "body", "prompt", "draft", "clause", "utterance_text", "display_name", "goal"}
    | {"profile_note", "password", "token", "code", "value", "frame", "payload", "content"}
)
NOT_LOGGED = "[not logged]"
# Sentences of our own code's.
OWN_WORDS = frozenset({"reason", "trial"})
MOST_CHARACTERS = 120
OURS = ("coach", "consent", "rag", "safety")
# Whose start and stop an operator wants to see; every other library speaks up from WARNING on.
SERVER = "uvicorn.error"
MADE_HERE = frozenset({"event", "level", "timestamp"})


def speechless(name: str, value: Any) -> Any:
    """The value, unless its name or its shape says that it may be speech: words have spaces."""
    if name in SPEECH:
        return NOT_LOGGED
    if isinstance(value, str):
        sentence = name not in OWN_WORDS and any(map(str.isspace, value))
        return NOT_LOGGED if sentence or len(value) > MOST_CHARACTERS else value
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, list | tuple):
        return [speechless(name, each) for each in value]
    return value


def drop_speech(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The event without the values that could hold speech; the name stays, to be found."""
    for name in event.keys() - MADE_HERE:
        if name != "exc_info" and not name.startswith("_"):
            event[name] = speechless(name, event[name])
    return event


class Speechless(logging.Filter):
    """What a library logs: its own sentence, with only such arguments as cannot be speech."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, dict):
            # One of our own events, which structlog hands on as it is.
            return True
        if isinstance(record.args, tuple):
            record.args = tuple(_argument(each) for each in record.args)
        elif isinstance(record.args, dict):
            record.args = {name: _argument(each) for name, each in record.args.items()}
        if not isinstance(record.msg, str):
            record.msg = _argument(record.msg)
        return True


def _argument(value: object) -> object:
    if value is None or isinstance(value, numbers.Number):
        return value
    return speechless("", value if isinstance(value, str | BaseException) else str(value))


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
    handler.addFilter(Speechless())
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
    level = logging.getLevelNamesMapping()[options["level"].upper()]
    root.setLevel(max(level, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.getLogger(SERVER).setLevel(max(level, logging.INFO))


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

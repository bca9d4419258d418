"""Client frames: from whatever arrived on the socket to a known, bounded request."""

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn
from uuid import UUID

from safety.text import clean

MAX_FRAME_BYTES = 32 * 1024
MAX_DEPTH = 8
MAX_TEXT = 4000
MOST_PHASE = 80
STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
BRACKETS = re.compile(r"[][{}]")
VERDICTS = ("accepted", "edited", "dismissed", "snoozed", "not_relevant", "unsafe")
ACTIONS = (
    "pause", "resume", "kill", "unkill", "mode", "release", "hold", "edit", "send", "start", "end",
    "phase",
)  # fmt: skip
VERBOSITIES = ("quiet", "less", "normal", "more")
LONGEST_SNOOZE_MINUTES = 240
MODES = ("auto", "review", "facilitator_only", "paused")


class FrameError(ValueError):
    """A frame that cannot be used; `code` and `detail` are safe to send back."""

    def __init__(self, code: str, detail: str, client_msg_id: UUID | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.client_msg_id = client_msg_id


@dataclass(frozen=True)
class Resume:
    epoch: UUID
    last_seq: int


@dataclass(frozen=True)
class Say:
    client_msg_id: UUID
    text: str = field(repr=False)


@dataclass(frozen=True)
class Drafting:
    text: str = field(repr=False)


@dataclass(frozen=True)
class Cancel:
    client_msg_id: UUID


@dataclass(frozen=True)
class Judge:
    nudge: UUID
    verdict: str
    text: str = field(default="", repr=False)


@dataclass(frozen=True)
class Prefer:
    """How many nudges somebody wants; None leaves a wish as it is, 0 minutes end a snooze."""

    verbosity: str | None = None
    snooze_minutes: int | None = None


@dataclass(frozen=True)
class Control:
    action: str
    member: UUID | None = None
    nudge: UUID | None = None
    passage: UUID | None = None
    mode: str = ""
    text: str = field(default="", repr=False)
    phase: str = ""


@dataclass(frozen=True)
class Ping:
    pass


Frame = Resume | Say | Drafting | Cancel | Judge | Prefer | Control | Ping


def parse(text: str | None, data: bytes | None = None) -> Frame:
    """The frame that these socket payloads hold. Raises FrameError, and nothing else.

    Size and depth are looked at before anything is decoded.
    """
    if text is None:
        raise FrameError("bad_request", "Send text frames with JSON.")
    # Four bytes are the most a code point takes, so short texts need no encoding to be measured.
    if len(text) * 4 > MAX_FRAME_BYTES and len(text.encode(errors="replace")) > MAX_FRAME_BYTES:
        raise FrameError("too_large", f"A frame holds at most {MAX_FRAME_BYTES} bytes.")
    if _depth(text) > MAX_DEPTH:
        raise FrameError("bad_request", f"Nest at most {MAX_DEPTH} levels.")
    try:
        content = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as exc:
        raise FrameError("bad_request", "This is not JSON as we take it.") from exc
    if not isinstance(content, dict):
        raise FrameError("bad_request", "A frame is a JSON object.")
    kind = content.get("type")
    reader = READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise FrameError("unknown_type", "There is no frame of this type.")
    return reader(content)


def speech(content: dict[str, Any], name: str, *, client_msg_id: UUID | None = None) -> str:
    """A text field, cleaned; the length counts what is left after cleaning."""
    value = content.get(name)
    if not isinstance(value, str):
        raise FrameError("bad_request", f"`{name}` must be a string.", client_msg_id)
    if "\x00" in value or any(unicodedata.category(c) == "Cs" for c in value):
        raise FrameError("bad_text", f"`{name}` holds NUL or half a character.", client_msg_id)
    cleaned = clean(value).strip()
    if len(cleaned) > MAX_TEXT:
        raise FrameError(
            "too_long", f"`{name}` holds at most {MAX_TEXT} characters.", client_msg_id
        )
    return cleaned


def _resume(content: dict[str, Any]) -> Resume:
    last_seq = content.get("last_seq")
    if not isinstance(last_seq, int) or isinstance(last_seq, bool) or last_seq < 0:
        raise FrameError("bad_request", "`last_seq` must be a whole number from 0.")
    return Resume(_uuid(content, "epoch"), min(last_seq, 2**62))


def _say(content: dict[str, Any]) -> Say:
    key = _uuid(content, "client_msg_id")
    text = speech(content, "text", client_msg_id=key)
    if not text:
        raise FrameError("empty", "`text` holds nothing to answer.", key)
    return Say(key, text)


def _drafting(content: dict[str, Any]) -> Drafting:
    return Drafting(speech(content, "text"))


def _cancel(content: dict[str, Any]) -> Cancel:
    return Cancel(_uuid(content, "client_msg_id"))


def _judge(content: dict[str, Any]) -> Judge:
    verdict = content.get("verdict")
    if verdict not in VERDICTS:
        raise FrameError("bad_request", f"`verdict` is one of {', '.join(VERDICTS)}.")
    text = speech(content, "text") if "text" in content else ""
    if verdict == "edited" and not text:
        raise FrameError("bad_request", "`edited` needs the `text`.")
    return Judge(_uuid(content, "nudge"), verdict, text)


def _prefer(content: dict[str, Any]) -> Prefer:
    verbosity, minutes = content.get("verbosity"), content.get("snooze_minutes")
    if verbosity is not None and verbosity not in VERBOSITIES:
        raise FrameError("bad_request", f"`verbosity` is one of {', '.join(VERBOSITIES)}.")
    if minutes is not None and (
        not isinstance(minutes, int)
        or isinstance(minutes, bool)
        or not 0 <= minutes <= LONGEST_SNOOZE_MINUTES
    ):
        raise FrameError("bad_request", f"`snooze_minutes`: 0 to {LONGEST_SNOOZE_MINUTES}.")
    return Prefer(verbosity, minutes)


def _control(content: dict[str, Any]) -> Control:
    action = content.get("action")
    if action not in ACTIONS:
        raise FrameError("bad_request", f"`action` is one of {', '.join(ACTIONS)}.")
    mode = content.get("mode", "")
    if action == "mode" and mode not in MODES:
        raise FrameError("bad_request", f"`mode` is one of {', '.join(MODES)}.")
    control = Control(
        action=action,
        member=_uuid(content, "member") if content.get("member") else None,
        nudge=_uuid(content, "nudge") if content.get("nudge") else None,
        passage=_uuid(content, "passage") if content.get("passage") else None,
        mode=mode if action == "mode" else "",
        text=speech(content, "text") if content.get("text") is not None else "",
        phase=_phase(content) if action == "phase" else "",
    )
    if action in ("release", "hold", "edit") and control.nudge is None:
        raise FrameError("bad_request", f"`{action}` needs the `nudge`.")
    if action == "edit" and not control.text:
        raise FrameError("bad_request", "`edit` needs the `text`.")
    if action == "send" and not (control.text or control.passage):
        raise FrameError("bad_request", "`send` needs a `text` or a `passage`.")
    return control


def _phase(content: dict[str, Any]) -> str:
    phase = speech(content, "phase") if content.get("phase") is not None else ""
    if len(phase) > MOST_PHASE:
        raise FrameError("too_long", f"`phase` holds at most {MOST_PHASE} characters.")
    return phase


def _ping(_content: dict[str, Any]) -> Ping:
    return Ping()


READERS: dict[str, Callable[[dict[str, Any]], Frame]] = {
    "resume": _resume,
    "utterance": _say,
    "draft": _drafting,
    "cancel": _cancel,
    "feedback": _judge,
    "prefer": _prefer,
    "control": _control,
    "ping": _ping,
}


def _uuid(content: dict[str, Any], name: str) -> UUID:
    value = content.get(name)
    try:
        return UUID(value) if isinstance(value, str) else _refuse(name)
    except ValueError:
        raise FrameError("bad_request", f"`{name}` must be a UUID.") from None


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside strings; linear, whatever the text."""
    deepest = now = 0
    for bracket in BRACKETS.findall(STRINGS.sub("", text)):
        now += 1 if bracket in "[{" else -1
        deepest = max(deepest, now)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key occurs twice")
    return content


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)

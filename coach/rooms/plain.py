"""What is kept of a person in plain words: each column by a label, each code by what it means."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext_lazy as _

from coach.models import Alert, Feedback, Member, Nudge
from consent.models import LegalBasis
from consent.registry import Field, Purpose
from safety.redaction import PLACEHOLDER

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
# Whatever a column is called, people never read an underscore, a dot or a second one.
SEPARATORS = re.compile(r"[_.]+")

LABELS = {
    "about": _("about"),
    "accepted_at": _("said"),
    "act": _("heard as"),
    "action": _("change"),
    "at": _("when"),
    "citations": _("rests on"),
    "created_at": _("made"),
    "display_name": _("my name"),
    "emotion": _("the feeling in my words"),
    "expires_at": _("ends"),
    "field": _("what"),
    "fields": _("what"),
    "goal": _("my goal"),
    "granted_at": _("allowed"),
    "id": _("number"),
    "issued_at": _("given"),
    "joined_at": _("joined"),
    "kind": _("kind"),
    "language": _("language"),
    "legal_basis": _("legal basis"),
    "notice__version": _("notice"),
    "notice_version": _("notice"),
    "nudge": _("a nudge"),
    "outcome": _("what came of it"),
    "points": _("what it says"),
    "profile_note": _("my note about myself"),
    "proof": _("how it was given"),
    "purpose": _("purpose"),
    "quote": _("words"),
    "reason": _("reason"),
    "recipient": _("used by"),
    "role": _("my role"),
    "seq": _("number"),
    "source": _("from"),
    "state": _("state"),
    "text": _("words"),
    "title": _("title"),
    "type": _("what happened"),
    "utterance": _("said"),
    "verdict": _("what you made of it"),
    "version": _("version"),
    "withdrawn_at": _("withdrawn"),
    "withheld": _("held back"),
}

FIELDS = {
    Field.UTTERANCE: _("what I say"),
    Field.RECENT_TURNS: _("my last few turns"),
    Field.DISPLAY_NAME: _("my name"),
    Field.ROLE: _("my role"),
    Field.GOAL: _("my goal"),
    Field.PROFILE_NOTE: _("my note about myself"),
    Field.EMOTION: _("the feeling in my words"),
}
PURPOSES = {
    Purpose.COACHING: _("nudges"),
    Purpose.FACILITATOR_VIEW: _("the facilitator's view"),
    Purpose.EMOTION_SIGNALS: _("reading feelings"),
    Purpose.REFLECTION: _("a reflection afterwards"),
    Purpose.QUALITY: _("checking quality"),
}
OUTCOMES = {
    "ack": _("received"),
    "blocked": _("stopped by a check"),
    "cancelled": _("called off"),
    "error": _("something broke on our side"),
    "escalated": _("a help card"),
    "no_nudge": _("no nudge"),
    "nudge.done": _("a nudge"),
    "nudge.feedback": _("what you made of it"),
    "utterance": _("said"),
}
MASKED = {
    "NAME": _("a name"),
    "PLACE": _("a place"),
    "ORGANISATION": _("an organisation"),
    "ADDRESS": _("an address"),
    "EMAIL": _("a mail address"),
    "PHONE": _("a phone number"),
    "URL": _("a link"),
}
# What the codes in a column mean; a code that is not here is told in its own letters.
MEANINGS: Mapping[str, Mapping[Any, Any]] = {
    "field": FIELDS,
    "fields": FIELDS,
    "withheld": FIELDS,
    "purpose": PURPOSES,
    "outcome": OUTCOMES,
    "type": OUTCOMES,
    "kind": dict(Alert.Kind.choices),
    "legal_basis": dict(LegalBasis.choices),
    "role": dict(Member.Role.choices),
    "source": dict(Nudge.Source.choices),
    "verdict": dict(Feedback.Verdict.choices),
}
# Of a message, what only the line needs.
OF_THE_LINE = frozenset({"epoch", "seq", "client_msg_id", "member", "speaker"})
CODES = frozenset({*MEANINGS, "act", "action", "how", "reason", "state"})


@dataclass(frozen=True)
class Line:
    """A label with its words, or with lines of its own."""

    label: str
    text: str = ""
    lines: tuple["Line", ...] = ()


@dataclass(frozen=True)
class Part:
    """What is kept in one place: `what`, for how long, and its rows."""

    what: str
    kept: str
    rows: tuple[tuple[Line, ...], ...]


def parts(export: Mapping[str, Any]) -> list[Part]:
    """An export (`rights.export_member`) to be read; what is empty in it is left out."""
    return [
        Part(
            part["what"],
            PURPOSES.get(part["kept"], part["kept"]),
            tuple(_lines(row) for row in _rows(part["content"])),
        )
        for part in export["kept"].values()
    ]


def _rows(content: Any) -> Sequence[Mapping[str, Any]]:
    if isinstance(content, Mapping):
        return [content] if content else []
    return list(content)


def _lines(row: Mapping[str, Any]) -> tuple[Line, ...]:
    frame = row.get("frame")
    if isinstance(frame, Mapping):
        return _lines({k: v for k, v in frame.items() if k not in OF_THE_LINE})
    return tuple(
        _line(key, value) for key, value in row.items() if value not in (None, "", [], {}, ())
    )


def _line(key: str, value: Any) -> Line:
    label = str(LABELS.get(key) or SEPARATORS.sub(" ", key))
    if isinstance(value, Mapping):
        return Line(label, lines=_lines(value))
    if isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        return Line(label, lines=tuple(line for each in value for line in _lines(each)))
    return Line(label, _text(key, value))


def _text(key: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_text(key, each) for each in value)
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, str) and MOMENT.match(value):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        moment = timezone.localtime(value) if timezone.is_aware(value) else value
        return formats.date_format(moment, "DATETIME_FORMAT")
    if key in CODES:
        return str(MEANINGS.get(key, {}).get(value) or SEPARATORS.sub(" ", str(value)))
    return PLACEHOLDER.sub(_masked, str(value))


def _masked(found: re.Match[str]) -> str:
    kind = found.group()[1:].rpartition("-")[0]
    return f"[{MASKED.get(kind, _('something masked'))}]"

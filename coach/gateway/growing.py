"""Read words out of a JSON object that is still being written."""

import json
from dataclasses import dataclass, field
from typing import Any

from coach.gateway.errors import ModelBroken

MAX_JSON = 4000
LEAST_CHARACTERS = 8
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True)
class Shape:
    """The two keys of an answer, in this order: its words, and the numbers of what they rest on."""

    words: str
    cites: str
    most_characters: int
    most_cites: int

    def schema(self, numbered: int) -> dict[str, Any]:
        """The JSON schema of an answer that may cite the numbers 1 to `numbered`."""
        return {
            "type": "object",
            "properties": {
                self.words: {
                    "type": "string",
                    "minLength": LEAST_CHARACTERS,
                    "maxLength": self.most_characters,
                },
                self.cites: {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1, "maximum": max(1, numbered)},
                    "minItems": 1,
                    "maxItems": self.most_cites,
                },
            },
            "required": [self.words, self.cites],
            "additionalProperties": False,
        }


NUDGE = Shape("nudge", "cites", most_characters=240, most_cites=2)
POINT = Shape("point", "turns", most_characters=280, most_cites=4)


@dataclass(frozen=True)
class DraftBody:
    """The finished object: what to say, and the numbers of what it rests on."""

    words: str = field(repr=False)
    cites: tuple[int, ...]


class GrowingDraft:
    """Feed it chunks of `{"nudge": "...", "cites": [1]}`; it gives the new words.

    However the chunks are cut, the same words come out, and never half an escape.
    """

    def __init__(self, shape: Shape = NUDGE) -> None:
        self._shape = shape
        self._raw = ""
        self._at: int | None = None
        self._closed = False

    def feed(self, chunk: str) -> str:
        """The words that this chunk completed; raises ModelBroken for what cannot be a draft."""
        self._raw += chunk
        if len(self._raw) > MAX_JSON:
            raise ModelBroken("the draft does not end")
        if self._closed:
            return ""
        if self._at is None:
            self._at = self._value_start()
            if self._at is None:
                return ""
        return self._take()

    def close(self) -> DraftBody:
        """The whole draft; raises ModelBroken unless it is the object that was asked for."""
        try:
            # Guided decoding lets line breaks into strings, which strict JSON does not know.
            body = json.loads(self._raw, strict=False)
        except (ValueError, RecursionError) as exc:
            raise ModelBroken("the draft is not JSON") from exc
        words = body.get(self._shape.words) if isinstance(body, dict) else None
        if not isinstance(words, str):
            raise ModelBroken("the draft lacks its words")
        cites = body.get(self._shape.cites)
        if not isinstance(cites, list) or not all(type(c) is int for c in cites):
            raise ModelBroken("the draft lacks its citations")
        return DraftBody(words, tuple(cites))

    def _value_start(self) -> int | None:
        """Where the value's first character will be, once the key has been read."""
        head = self._raw.lstrip()
        opening = f'{{"{self._shape.words}":"'
        squeezed, position = "", len(self._raw) - len(head)
        while position < len(self._raw) and len(squeezed) < len(opening):
            if not self._raw[position].isspace():
                squeezed += self._raw[position]
            position += 1
        if not opening.startswith(squeezed):
            raise ModelBroken("the draft does not start with its words")
        return position if squeezed == opening else None

    def _take(self) -> str:
        words: list[str] = []
        at = self._at or 0
        while at < len(self._raw):
            character = self._raw[at]
            if character == '"':
                self._closed = True
                break
            if character != "\\":
                words.append(character)
                at += 1
                continue
            taken = self._escape(at)
            if taken is None:
                break
            word, at = taken
            words.append(word)
        self._at = at
        return "".join(words)

    def _escape(self, at: int) -> tuple[str, int] | None:
        """The character escaped at this place and where it ends; None while it is incomplete."""
        if at + 1 >= len(self._raw):
            return None
        letter = self._raw[at + 1]
        if letter in ESCAPES:
            return ESCAPES[letter], at + 2
        if letter != "u":
            raise ModelBroken("the draft holds an unknown escape")
        unit = self._unit(at)
        if unit is None:
            return None
        if not 0xD800 <= unit <= 0xDFFF:
            return chr(unit), at + 6
        second = self._raw[at + 6 : at + 8]
        if len(second) < 2:
            return None
        low = self._unit(at + 6) if second == "\\u" else 0
        if low is None:
            return None
        if unit > 0xDBFF or not 0xDC00 <= low <= 0xDFFF:
            raise ModelBroken("the draft holds half a character")
        return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)), at + 12

    def _unit(self, at: int) -> int | None:
        digits = self._raw[at + 2 : at + 6]
        if len(digits) < 4:
            return None
        try:
            return int(digits, 16)
        except ValueError as exc:
            raise ModelBroken("the draft holds a broken escape") from exc

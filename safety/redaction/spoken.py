"""Numbers as people say them and words as they spell them, written out, with a way back."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from safety.text import Normalised

_UNITS = {
    "zero": "0", "oh": "0", "o": "0", "nought": "0", "one": "1", "two": "2", "three": "3",
    "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "null": "0", "eins": "1", "zwei": "2", "zwo": "2", "drei": "3", "vier": "4", "fünf": "5",
    "sechs": "6", "sieben": "7", "acht": "8", "neun": "9",
    "cero": "0", "uno": "1", "dos": "2", "tres": "3", "cuatro": "4", "cinco": "5", "seis": "6",
    "siete": "7", "ocho": "8", "nueve": "9",
    "zéro": "0", "un": "1", "deux": "2", "trois": "3", "quatre": "4", "cinq": "5", "sept": "7",
    "huit": "8", "neuf": "9",
}  # fmt: skip
_TENS = {
    "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60",
    "seventy": "70", "eighty": "80", "ninety": "90",
    "zwanzig": "20", "dreißig": "30", "vierzig": "40", "fünfzig": "50", "sechzig": "60",
    "siebzig": "70", "achtzig": "80", "neunzig": "90",
}  # fmt: skip
_GERMAN_TENS = {word: value for word, value in _TENS.items() if word.endswith(("zig", "ßig"))}
_GERMAN_UNITS = {
    "ein": "1", "zwei": "2", "drei": "3", "vier": "4", "fünf": "5", "sechs": "6", "sieben": "7",
    "acht": "8", "neun": "9",
}  # fmt: skip
_WHOLE = {
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14",
    "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19",
    "zehn": "10", "elf": "11", "zwölf": "12", "dreizehn": "13", "vierzehn": "14",
    "fünfzehn": "15", "sechzehn": "16", "siebzehn": "17", "achtzehn": "18", "neunzehn": "19",
} | {
    f"{unit}und{tens}": value[0] + digit
    for tens, value in _GERMAN_TENS.items()
    for unit, digit in _GERMAN_UNITS.items()
}  # fmt: skip
_NUMBERS: Mapping[str, str] = {**_UNITS, **_TENS, **_WHOLE}
_REPEAT = {"double": 2, "triple": 3, "treble": 3}
# "nine hundred" is 900, "two thousand" 2000; after anything but one digit they mean no digits.
_ROUND = {"hundred": "00", "thousand": "000"}
_POINTS = frozenset({"dot", "point", "punkt", "punto"})
_FILLERS = frozenset({"um", "uh", "er", "erm", "äh", "ähm", "and", "then", "dash", "hyphen"})
_TOKEN = re.compile(r"[^\W\d_]+|\d+|\+|[^\w\s+]+|_|\s+")
_GLUE = frozenset("-.,/()|~* \t\n")
_LEAST_SAID, _LEAST_SPELT = 2, 5
_SAID = re.compile(rf"\b(?:{'|'.join(_NUMBERS)})\b", re.IGNORECASE)
_SPELT = re.compile(r"(?<!\S)(?:[\w.@+-] ){4}[\w.@+-](?!\S)")
_SPELT_RUN = re.compile(r"(?<!\S)(?:[\w.@+-] ){4,}[\w.@+-](?!\S)")

Piece = tuple[str, int, int]


@dataclass(frozen=True)
class Written:
    """A text with said numbers in digits and spelt words joined; `runs` are what was changed."""

    plain: Normalised
    runs: tuple[tuple[int, int], ...]


def written(text: str) -> Written | None:
    """The text as it would have been written, or None when nothing in it was said or spelt.

    Said counts as such from two number words in a row on, spelt from five single characters.
    """
    found = sorted([*_said(text), *_spelt(text)])
    if not found:
        return None
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    runs: list[tuple[int, int]] = []
    at = 0
    for start, end, pieces in found:
        if start < at:
            continue
        chars += text[at:start]
        starts += range(at, start)
        ends += range(at + 1, start + 1)
        begin = len(chars)
        for char, first, last in pieces:
            chars.append(char)
            starts.append(first)
            ends.append(last)
        runs.append((begin, len(chars)))
        at = end
    plain = "".join(chars) + text[at:]
    starts += range(at, len(text))
    ends += range(at + 1, len(text) + 1)
    return Written(Normalised(plain, text, starts, ends), tuple(runs))


def _spelt(text: str) -> Iterator[tuple[int, int, list[Piece]]]:
    if not _SPELT.search(text):
        return
    for found in _SPELT_RUN.finditer(text):
        places = range(found.start(), found.end(), 2)
        yield found.start(), found.end(), [(text[at], at, at + 1) for at in places]


def _said(text: str) -> Iterator[tuple[int, int, list[Piece]]]:
    if len(_SAID.findall(text)) < _LEAST_SAID:
        return
    run = _Run()
    for token in _TOKEN.finditer(text):
        if not run.take(token.group().lower(), token.start(), token.end()):
            if run.counts:
                yield run.start, run.end, run.pieces
            run = _Run()
    if run.counts:
        yield run.start, run.end, run.pieces


@dataclass
class _Run:
    """A run of number words and what stands between them, written as it is heard."""

    pieces: list[Piece] = field(default_factory=list)
    start: int = 0
    end: int = 0
    said: int = 0
    _times: int = 1
    _times_from: int = 0
    _tens: bool = False
    _point: Piece | None = None

    @property
    def counts(self) -> bool:
        return self.said >= _LEAST_SAID

    def take(self, word: str, start: int, end: int) -> bool:
        """Whether the token belongs to the run; glue and fillers do, and leave no trace."""
        value = word if word.isdecimal() else _NUMBERS.get(word)
        if value is not None:
            self._add(word, value, start, end)
        elif word in _REPEAT:
            self._times, self._times_from = _REPEAT[word], start
        elif word in _ROUND and self.pieces and not self._tens:
            self._append(_ROUND[word], start, end)
        elif word in ("+", "plus") and not self.pieces:
            self._append("+", start, end)
        elif word in _POINTS and self.pieces:
            self._point = (".", start, end)
        elif len(word) == 1 and word.isalpha() and self.pieces:
            self._append(f" {word} ", start, end)
        else:
            return all(char in _GLUE for char in word) or (word in _FILLERS and bool(self.pieces))
        return True

    def _add(self, word: str, value: str, start: int, end: int) -> None:
        self.said += not word.isdecimal()
        if self._tens and word in _UNITS and value != "0":
            _, first, _ = self.pieces.pop()
            self._append(value, first, end)
        else:
            self._append(value * self._times, self._times_from if self._times > 1 else start, end)
        self._tens, self._times = word in _TENS, 1

    def _append(self, value: str, start: int, end: int) -> None:
        if not self.pieces:
            self.start = start
        elif self._point is not None:
            self.pieces.append(self._point)
        self._point, self._tens = None, False
        self.pieces += [(char, start, end) for char in value]
        self.end = end

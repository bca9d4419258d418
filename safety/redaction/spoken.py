"""Digits as people say and disguise them, turned into digits with a way back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_WORDS = {
    "zero": "0",
    "oh": "0",
    "o": "0",
    "nought": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "null": "0",
    "eins": "1",
    "zwei": "2",
    "zwo": "2",
    "drei": "3",
    "vier": "4",
    "fünf": "5",
    "sechs": "6",
    "sieben": "7",
    "acht": "8",
    "neun": "9",
    "cero": "0",
    "uno": "1",
    "dos": "2",
    "tres": "3",
    "cuatro": "4",
    "cinco": "5",
    "seis": "6",
    "siete": "7",
    "ocho": "8",
    "nueve": "9",
    "zéro": "0",
    "un": "1",
    "deux": "2",
    "trois": "3",
    "quatre": "4",
    "cinq": "5",
    "sept": "7",
    "huit": "8",
    "neuf": "9",
}
_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_TEENS = {
    "thirteen": "13",
    "fourteen": "14",
    "fifteen": "15",
    "sixteen": "16",
    "seventeen": "17",
    "eighteen": "18",
    "nineteen": "19",
}
_REPEAT = {"double": 2, "triple": 3, "treble": 3}
_PLUS = {"plus": "+"}
# "nine hundred" is 900, "two thousand" 2000; after anything but one digit they mean no digits.
_ROUND = {"hundred": "00", "thousand": "000"}
_TOKEN = re.compile(r"[^\W\d_]+|\d+|\+|[^\w\s+]+|\s+")
_GLUE = frozenset("-.,/()_|~* \t\n")
_FEWEST_DIGITS, _FEWEST_SAID = 6, 3
_SAID = re.compile(rf"\b(?:{'|'.join([*_WORDS, *_TEENS, *_TENS])})\b", re.IGNORECASE)


@dataclass(frozen=True)
class SpokenNumber:
    """A run of said or disguised digits: `digits[i]` came from `[starts[i], ends[i])`."""

    digits: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def spoken_numbers(text: str) -> Iterator[SpokenNumber]:
    """Runs of six or more digits in which at least three were said as words."""
    if len(_SAID.findall(text)) < _FEWEST_SAID:
        return
    digits: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    said = 0
    repeat, repeat_start = 1, 0
    for token in _TOKEN.finditer(text):
        word = token.group().lower()
        value = _value(word)
        if word in _REPEAT:
            repeat, repeat_start = _REPEAT[word], token.start()
            continue
        if word in _ROUND and digits:
            value = _ROUND[word]
        if value is None:
            if all(char in _GLUE for char in word):
                continue
            if said >= _FEWEST_SAID and len(digits) >= _FEWEST_DIGITS:
                yield SpokenNumber("".join(digits), tuple(starts), tuple(ends))
            digits, starts, ends, said, repeat = [], [], [], 0, 1
            continue
        said += word.isalpha()
        start = repeat_start if repeat > 1 else token.start()
        for char in value * repeat:
            digits.append(char)
            starts.append(start)
            ends.append(token.end())
        repeat = 1
    if said >= _FEWEST_SAID and len(digits) >= _FEWEST_DIGITS:
        yield SpokenNumber("".join(digits), tuple(starts), tuple(ends))


def _value(word: str) -> str | None:
    if word.isdigit():
        return word
    if word in _TENS:
        return str(_TENS[word])
    return _WORDS.get(word) or _TEENS.get(word) or _PLUS.get(word)

"""Redaction takes time in proportion to a text, whatever is repeated in it."""

import gc
import time

import pytest

from safety.redaction import Redactor
from safety.redaction.engine import FINDERS
from safety.text import clean

KEY = b"k" * 32
ROSTER = ["Ada Lovelace", "Ben Okafor", "Will Chen"]
SHORT, LONG = 20_000, 200_000
# What the trained recogniser is asked to read: its encoder takes 5 ms for eighty words.
READ = 50_000
# Ten times as long would be its due and a hundred times what a nested loop takes; between them
# is what caches, and others on the same cores, do to the longer one.
MOST_TIMES = 20
# A short text that is over in a moment says nothing of how long a longer one takes.
LEAST_S, TRIES = 0.01, 3

SHAPES = {
    "dots": ".",
    "letters with dots": "a.",
    "at signs": "a@",
    "addresses": "a@b.co ",
    "said addresses": "ada at example dot ",
    "the word at": "at ",
    "digits with separators": "1-2 3.4/",
    "cards": "4111 1111 1111 1111 ",
    "number words": "one two um ",
    "spelt words": "a b c d e, ",
    "quotes": "\"'",
    "brackets": "[(<{",
    "joiners": "a\u200d",
    "accents in disorder": "a\u0327\u0301",
    "accents alone": "\u0301\u0327",
    "points of another script": "\u05b0\u05bd\u0591",
    "base64": "QWxhZGRpbjpvcGVuIHNlc2FtZQ",
    "key beginnings": "-----BEGIN PRIVATE KEY-----",
    "one member": "Ada ",
    "members": "Ada Ben, ",
    "placeholders": "[NAME-abcde] ",
    "introductions": "my name is my name is ",
    "exclamations": "!|",
    "another script": "محمد ",
}
GAPS = {
    "a word for a number, then space": ("ssn", "1"),
    "a word for a postcode, then space": ("1 zip", "x"),
    "a word for a password, then space": ("password", "x"),
    "a street without a name": ("1 rue", "x"),
}


def long_text(shape: str, length: int) -> str:
    if shape in GAPS:
        before, after = GAPS[shape]
        return before + " " * (length - len(before) - len(after)) + after
    unit = SHAPES[shape]
    return (unit * (length // len(unit) + 1))[:length]


def seconds(redactor: Redactor, text: str) -> float:
    gc.collect()
    started = time.process_time()
    redactor.redact(clean(text), key=KEY, roster=ROSTER)
    return time.process_time() - started


def times_as_long(redactor: Redactor, short: str, long: str) -> float:
    """What the long text takes of the short one's time, in a try that nothing came between."""
    found = float("inf")
    for _ in range(TRIES):
        found = seconds(redactor, long) / max(seconds(redactor, short), LEAST_S)
        if found <= MOST_TIMES:
            break
    return found


@pytest.fixture(scope="module")
def patterns() -> Redactor:
    return Redactor.load(FINDERS)


@pytest.mark.parametrize("shape", [*SHAPES, *GAPS])
def test_ten_times_the_text_takes_the_recognisers_ten_times_as_long(patterns, shape):
    short, long = long_text(shape, SHORT), long_text(shape, LONG)
    assert times_as_long(patterns, short, long) <= MOST_TIMES


@pytest.mark.parametrize("unit", ["a.", "ab.", "Ada ", "unterhaltungskostenzuschuss "])
def test_ten_times_the_text_takes_the_trained_recogniser_ten_times_as_long(redactor, unit):
    short, long = (unit * READ)[: READ // 10], (unit * READ)[:READ]
    assert times_as_long(redactor, short, long) <= MOST_TIMES


def test_a_text_of_marks_and_initials_costs_less_than_one_of_words(redactor):
    marks = seconds(redactor, ("a." * READ)[:READ])
    words = seconds(redactor, ("people talk about work " * READ)[:READ])
    assert marks < words


def test_words_of_many_pieces_are_read_in_windows_that_fit_the_encoder(redactor):
    text = " ".join(f"qxzv{n}jwkpfb{n}ghtr" for n in range(200)) + " and Priya said so"
    assert "Priya" not in redactor.redact(text, key=KEY).text

"""Written sentences made to sound like live speech, which has neither commas nor question marks."""

import random
import re
from dataclasses import replace

from safety.training.corpus import Example

_MARKS = re.compile(r"[^\w\s'\[\]]+")
_ALL_MARKS = re.compile(r"[^\w\s]+")
_SPACES = re.compile(r"\s+")

UNPUNCTUATED_SHARE = 0.4
LOST_PREVIOUS_SHARE = 0.2
STRAY_PREVIOUS_SHARE = 0.25


def unpunctuated(text: str, *, apostrophes: bool = True) -> str:
    """The words alone; a text of marks only stays as it is."""
    marks = _MARKS if apostrophes else _ALL_MARKS
    words = _SPACES.sub(" ", marks.sub("" if not apostrophes else " ", text)).strip()
    return words or text


def spoken(example: Example, *, turns: list[str], rng: random.Random) -> Example:
    """The example as it might arrive live: marks dropped, the turn before lost or a stray one.

    Sets without context get a stray turn now and then, so that their heads learn to look past it.
    """
    text, previous = example.text, example.previous
    if previous is not None and rng.random() < LOST_PREVIOUS_SHARE:
        previous = None
    elif previous is None and rng.random() < STRAY_PREVIOUS_SHARE:
        previous = rng.choice(turns)
    if rng.random() < UNPUNCTUATED_SHARE:
        apostrophes = rng.random() < 0.7
        text = unpunctuated(text, apostrophes=apostrophes)
        previous = previous and unpunctuated(previous, apostrophes=apostrophes)
    return replace(example, text=text, previous=previous)

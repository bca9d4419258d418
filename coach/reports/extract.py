"""A report without a model: who spoke how much, what was asked, what moved. Nothing is invented."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from coach.reports.material import Turn

MOST_QUOTES = 3
LONG_WORDS = 12

Point = dict[str, Any]


def extract(turns: Sequence[Turn], *, for_facilitator: bool) -> list[Point]:
    """Talk balance, open questions, key moments and accepted nudges, each with its turns."""
    points = [_balance(turns, for_facilitator=for_facilitator)]
    for heading, chosen in (
        (_("Questions left open"), [t for t in turns if _asks(t)]),
        (_("Key moments"), _moments(turns)),
    ):
        points += [point(heading, turn.text, [turn]) for turn in chosen[-MOST_QUOTES:]]
    taken = [turn for turn in turns if turn.nudge]
    points += [point(_("A nudge that was taken up"), t.nudge, [t]) for t in taken[-MOST_QUOTES:]]
    return points


def point(heading: str, text: str, turns: Sequence[Turn]) -> Point:
    """One part of a report, with the turns that it rests on."""
    cited = [{"utterance": str(t.utterance), "speaker": t.speaker} for t in turns]
    return {"heading": heading, "text": text, "turns": cited}


def _balance(turns: Sequence[Turn], *, for_facilitator: bool) -> Point:
    words: Counter[int] = Counter()
    for turn in turns:
        words[turn.speaker] += len(turn.text.split())
    if not for_facilitator:
        counted = ngettext("%(n)d turn", "%(n)d turns", len(turns)) % {"n": len(turns)}
        text = _("You spoke %(words)d words in %(turns)s.") % {
            "words": words.total(), "turns": counted,
        }  # fmt: skip
    else:
        shares = ", ".join(
            _("participant %(number)d: %(share)d %%")
            % {"number": number, "share": round(100 * spoken / max(1, words.total()))}
            for number, spoken in sorted(words.items())
        )
        text = _("Of what was said: %(shares)s.") % {"shares": shares}
    return point(_("Talk balance"), text, [])


def _asks(turn: Turn) -> bool:
    return turn.act == "open_question" or turn.text.rstrip().endswith("?")


def _moments(turns: Sequence[Turn]) -> list[Turn]:
    """Turns that led to something taken up, else the longest ones, in their order."""
    moved = [turn for turn in turns if turn.nudge]
    if moved:
        return moved
    long = [turn for turn in turns if len(turn.text.split()) >= LONG_WORDS and not _asks(turn)]
    longest = sorted(long, key=lambda turn: len(turn.text.split()))[-MOST_QUOTES:]
    return [turn for turn in turns if turn in longest]

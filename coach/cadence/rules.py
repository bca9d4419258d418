"""Trigger rules: which moment calls for a nudge, and which for none. Nothing here touches a row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

SPEECH, SILENCE, BALANCE = "speech", "silence", "balance"
NUDGE, QUIET = "nudge", "quiet"
MEMBER, EVERYONE, FACILITATORS = "member", "everyone", "facilitators"
# Below this many characters in a window nobody has had a fair share of it yet.
FAIR_CHARACTERS = 200


@dataclass(frozen=True)
class Rule:
    """One rule of a playbook. A condition that is empty, or 0, asks for nothing.

    On `speech`, `then` decides about the utterance. On `silence` nobody spoke for `after_s`; on
    `balance` a member's share of what was said in the last `after_s` lies over or under its limit
    in percent. Both nudge `to` whom they say, from entries with the tag `activity`, and not again
    within `every_s`.
    """

    id: int
    name: str
    on: str
    then: str = NUDGE
    acts: frozenset[str] = frozenset()
    emotions: frozenset[str] = frozenset()
    phases: frozenset[str] = frozenset()
    min_words: int = 0
    after_s: int = 0
    share_over: int = 0
    share_under: int = 0
    to: str = MEMBER
    activity: str = ""
    every_s: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """A rule from its row, as JSON gives it."""
        lists = {name: frozenset(row[name]) for name in ("acts", "emotions", "phases")}
        return cls(**{**row, **lists})


@dataclass(frozen=True)
class Moment:
    """An utterance as rules see it; without its speaker's leave `emotions` is empty."""

    act: str
    emotions: frozenset[str]
    phase: str
    words: int


@dataclass(frozen=True)
class Turn:
    """Something said in a room: by whom, how long ago, and how much."""

    member: UUID
    ago_s: float
    characters: int


def deciding(rules: Iterable[Rule], moment: Moment) -> Rule | None:
    """The first rule on speech whose every condition holds; None leaves it to the defaults."""
    return next((r for r in rules if r.on == SPEECH and _holds(r, moment)), None)


def reads_emotions(rules: Iterable[Rule]) -> bool:
    return any(rule.emotions for rule in rules)


def out_of_balance(rule: Rule, turns: Sequence[Turn], members: Sequence[UUID]) -> tuple[UUID, ...]:
    """Members whose share of the rule's window is over or under its limit; none while it is short.

    Alone in a room nobody is out of balance.
    """
    heard = dict.fromkeys(members, 0)
    for turn in turns:
        if turn.ago_s <= rule.after_s and turn.member in heard:
            heard[turn.member] += turn.characters
    total = sum(heard.values())
    if len(heard) < 2 or total < FAIR_CHARACTERS:
        return ()
    return tuple(
        member
        for member, characters in heard.items()
        if (rule.share_over and 100 * characters > rule.share_over * total)
        or (rule.share_under and 100 * characters < rule.share_under * total)
    )


def _holds(rule: Rule, moment: Moment) -> bool:
    return (
        (not rule.acts or moment.act in rule.acts)
        and (not rule.emotions or bool(rule.emotions & moment.emotions))
        and in_phase(rule, moment.phase)
        and moment.words >= rule.min_words
    )


def in_phase(rule: Rule, phase: str) -> bool:
    return not rule.phases or phase.casefold() in {name.casefold() for name in rule.phases}

"""The input verdict: may a model see this utterance, and does a person have to?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from safety import rules
from safety.classifiers.reading import Signals
from safety.text import views

Policy = Literal["self_harm", "violence", "injection", "toxicity", "off_topic", "unread"]

WORKING_POINT = 0.5
# Calling a person for nothing wears people out, and not calling may cost a life. From here on three
# in a hundred ordinary coaching turns call on dev, which is as many as we allow.
SELF_HARM_POINT = 0.5
# From here on nobody is called and nothing is stopped, but no model answers, and help is at hand
# for whoever spoke. On dev it hears four in five veiled cries, and one in eight ordinary turns.
CAREFUL_POINT = 0.3
_RECENT_TURNS = 3
_ESCALATED: frozenset[Policy] = frozenset({"self_harm", "violence"})


@dataclass(frozen=True)
class Verdict:
    """Whether a model may see the text; `policy` says why not, `escalate` calls a person.

    `reasons` name each rule (`rule:injection`) and signal (`signal:injection`) that spoke. With
    `careful` the words may weigh more than they say: too little to call anybody, too much for a
    generated answer.
    """

    allowed: bool
    policy: Policy | None
    escalate: bool
    reasons: tuple[str, ...]
    careful: bool = False


def check_input(text: str, signals: Signals | None, *, recent: Sequence[str] = ()) -> Verdict:
    """Judge a text by rules on every way to read it, across turns, and by its signals.

    Without signals the rules alone decide on danger, and anything else is `unread`: it reaches no
    model. `recent` are this speaker's turns before it, oldest first; the last three count, and only
    for what they spell together with this one. Not clinically validated.
    """
    return judge(by_rule(text, recent), signals)


def by_rule(text: str, recent: Sequence[str] = ()) -> list[str]:
    """The reasons that rules alone find, which take a millisecond and need no model."""
    readings = [view.text for view in views(text)]
    spoken = " ".join([*recent[-_RECENT_TURNS:], text])
    found = []
    for danger in ("self_harm", "violence", "injection"):
        here = any(rules.matches(danger, reading) for reading in readings)
        if here or _completed(danger, spoken, recent):
            found.append(f"rule:{danger}")
    if rules.matches("off_topic", readings[0]):
        found.append("rule:off_topic")
    return found


def judge(ruled: Sequence[str], signals: Signals | None) -> Verdict:
    """The verdict on what the rules said (`by_rule`) and what the classifiers read."""
    reasons = [*ruled, *_by_signal(signals)]
    policies: tuple[Policy, ...] = ("self_harm", "violence", "injection", "toxicity", "off_topic")
    for policy in policies:
        if any(reason.endswith(f":{policy}") for reason in reasons):
            return Verdict(False, policy, policy in _ESCALATED, tuple(reasons))
    if signals is None:
        return Verdict(False, "unread", False, ("signal:missing",))
    return Verdict(True, None, False, (), careful=signals.self_harm >= CAREFUL_POINT)


@lru_cache(maxsize=8192)
def gives_orders(text: str) -> bool:
    """Whether a text that is to stand in a prompt speaks to the model, in any way to read it."""
    return any(rules.matches("injection", view.text) for view in views(text))


def _completed(danger: str, spoken: str, recent: Sequence[str]) -> bool:
    """Whether this turn completes what the turns before it had only begun."""
    earlier = " ".join(recent[-_RECENT_TURNS:])
    return bool(recent) and rules.matches(danger, spoken) and not rules.matches(danger, earlier)


def _by_signal(signals: Signals | None) -> list[str]:
    if signals is None:
        return []
    holds = {
        "self_harm": signals.self_harm >= SELF_HARM_POINT,
        "injection": signals.injection >= WORKING_POINT,
        "toxicity": signals.toxicity >= WORKING_POINT,
    }
    return [f"signal:{name}" for name, held in holds.items() if held]

"""Is a nudge due? The room's mode, the person's wishes, and what was said decide, in that order."""

from typing import Protocol

from coach.cadence.rules import Moment
from safety.classifiers import Signals
from safety.guardrails import WORKING_POINT

# Acts that carry the talk along and ask for nothing; `min_words` keeps a long one due.
CARRYING = frozenset({"backchannel", "disruption"})
FEW_WORDS = 3
BACKCHANNELS = frozenset(
    {"mm", "mhm", "hm", "hmm", "mm-hm", "mm-hmm", "uh-huh", "uhuh", "um", "uh", "oh", "ah", "aha"}
    | {"yeah", "yes", "yep", "no", "nope", "ok", "okay", "right", "sure", "exactly", "thanks"}
    | {"i", "see", "got", "it", "well", "so"}
)
# How much longer, or shorter, than the session's cooldown a member waits by their own wish.
COOLDOWNS = {"less": 3.0, "normal": 1.0, "more": 0.5}


class Standing(Protocol):
    """What a room and a member's wishes are at this moment."""

    @property
    def status(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def member_paused(self) -> bool: ...
    @property
    def snoozed(self) -> bool: ...
    @property
    def verbosity(self) -> str: ...
    @property
    def since_nudge_s(self) -> float | None: ...
    @property
    def cooldown_s(self) -> float: ...


def refused_by_room(room: Standing) -> str | None:
    """Why this member gets no nudge now, whatever they said; None when they may get one."""
    if room.status != "open":
        return "ended"
    if room.mode == "paused" or room.member_paused:
        return "paused"
    if room.snoozed:
        return "snoozed"
    if room.verbosity == "quiet":
        return "quiet"
    cooldown_s = room.cooldown_s * COOLDOWNS[room.verbosity]
    if room.since_nudge_s is not None and room.since_nudge_s < cooldown_s:
        return "cooldown"
    return None


def calls_for_none(text: str, act: str) -> bool:
    """Whether this is listening, not speaking: a backchannel, or hardly a word."""
    words = text.lower().replace(",", " ").replace(".", " ").replace("!", " ").split()
    if "?" in text:
        return False
    if all(word in BACKCHANNELS for word in words):
        return True
    return act in CARRYING and len(words) <= FEW_WORDS


def moment_of(text: str, signals: Signals | None, *, phase: str, feelings: bool) -> Moment:
    """An utterance as trigger rules see it; feelings only where its speaker allows that."""
    heard: set[str] = set()
    if feelings and signals is not None:
        heard = {name for name, score in signals.ekman().items() if score >= WORKING_POINT}
    return Moment(
        act=signals.act if signals is not None else "",
        emotions=frozenset(heard),
        phase=phase,
        words=len(text.split()),
    )

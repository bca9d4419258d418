"""Is a nudge due? The room's mode, the person's wishes, and what was said decide, in that order."""

from coach.live.log import Accepted

# Acts that carry the talk along and ask for nothing; `min_words` keeps a long one due.
CARRYING = frozenset({"backchannel", "disruption"})
FEW_WORDS = 3
BACKCHANNELS = frozenset(
    {"mm", "mhm", "hm", "hmm", "mm-hm", "mm-hmm", "uh-huh", "uhuh", "um", "uh", "oh", "ah", "aha"}
    | {"yeah", "yes", "yep", "no", "nope", "ok", "okay", "right", "sure", "exactly", "thanks"}
    | {"i", "see", "got", "it", "well", "so"}
)


def refused_by_room(room: Accepted) -> str | None:
    """Why this member gets no nudge now, whatever they said; None when they may get one."""
    if room.status != "open":
        return "ended"
    if room.mode == "paused" or room.member_paused:
        return "paused"
    if room.snoozed:
        return "snoozed"
    if room.since_nudge_s is not None and room.since_nudge_s < room.cooldown_s:
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

"""What a model is asked for a nudge: a prefix that never changes, then material, fenced as data."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from coach.gateway.prompt import Prompt
from coach.gateway.tokens import MESSAGE_TOKENS, Count, estimate
from rag.retrieval import Passage

VERSION = "nudge.v1"
FENCE = re.compile(r"<+/?\s*(?:passage|turn|said|about|question)[^>]*>+", re.IGNORECASE)
MOST_TOKENS = 1600
ABOUT = {
    "display_name": "name",
    "role": "role",
    "goal": "goal",
    "profile_note": "note",
    "emotion": "feeling",
}


@cache
def system_text(version: str = VERSION) -> str:
    """The same bytes in every call, so that a model server's prefix cache holds them."""
    path = Path(__file__).parent / "prompts" / f"{version}.txt"
    return path.read_text(encoding="utf-8")


def canary(secret: str, organisation: str) -> str:
    """A word that no honest nudge contains: seen in a draft, it means the prompt leaked."""
    return f"ref-{_keyed(secret, 'canary', organisation)[:16]}"


def cache_salt(secret: str, organisation: str) -> str:
    """32 hexadecimal digits that keep one tenant's prefixes from another's in a shared server."""
    return _keyed(secret, "cache salt", organisation)[:32]


def system_lines(version: str = VERSION) -> tuple[str, ...]:
    """The prompt's own sentences, for the gate to recognise when a draft echoes them."""
    return tuple(line.strip("- ") for line in system_text(version).splitlines() if len(line) > 40)


def build_prompt(
    context: Mapping[str, str],
    passages: Sequence[Passage],
    *,
    canary_word: str,
    count: Count = estimate,
    most_tokens: int = MOST_TOKENS,
) -> Prompt:
    """The messages for one nudge from released and redacted fields and numbered passages.

    Where room is short the oldest turns go first, then the lowest passages; what was said, the
    person's own fields and the best passage stay.
    """
    system = f"{system_text()}\nInternal mark: {canary_word}\n"
    about = [
        f'<about what="{label}">{plain(value)}</about>'
        for name, label in ABOUT.items()
        if (value := context.get(name))
    ]
    said = f"<said>{plain(context['utterance'])}</said>"
    numbered = [
        f'<passage n="{n}" title="{plain(p.title)}">{plain(p.text)}</passage>'
        for n, p in enumerate(passages, start=1)
    ]
    turns = [
        f"<turn>{plain(turn)}</turn>"
        for turn in context.get("recent_turns", "").split("\n")
        if turn
    ]
    left = most_tokens - 2 * MESSAGE_TOKENS - sum(map(count, (system, *about, said)))
    kept_passages = _fitting(numbered, left, count, least=1)
    left -= sum(map(count, kept_passages))
    kept_turns = _fitting(turns[::-1], left, count)[::-1]
    parts = [*kept_passages, *about, *kept_turns, said]
    tokens = 2 * MESSAGE_TOKENS + sum(map(count, (system, *parts)))
    return Prompt(
        messages=(
            {"role": "system", "content": system},
            {"role": "user", "content": "\n".join(parts)},
        ),
        passages=len(kept_passages),
        tokens=tokens,
        shorten=partial(_shorter, context, passages, canary_word, count, tokens),
    )


def plain(text: str) -> str:
    """Text that cannot close the fence around it."""
    return FENCE.sub(" ", text).replace('"', "'")


def _shorter(
    context: Mapping[str, str],
    passages: Sequence[Passage],
    canary_word: str,
    count: Count,
    before: int,
    most_tokens: int,
) -> Prompt | None:
    prompt = build_prompt(
        context, passages, canary_word=canary_word, count=count, most_tokens=most_tokens
    )
    return prompt if prompt.tokens < before else None


def _fitting(parts: Sequence[str], room: int, count: Count, *, least: int = 0) -> list[str]:
    """The first of these parts that fit into the room together, and at least so many."""
    kept: list[str] = []
    for part in parts:
        room -= count(part)
        if room < 0 and len(kept) >= least:
            break
        kept.append(part)
    return kept


def _keyed(secret: str, what: str, whose: str) -> str:
    return hmac.new(secret.encode(), f"{what} {whose}".encode(), hashlib.sha256).hexdigest()

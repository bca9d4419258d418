"""What a model is asked: a prefix that never changes, then material, fenced as data."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from coach.gateway.gateway import Prompt
from rag.retrieval import Passage

VERSION = "nudge.v1"
FENCE = re.compile(r"<+/?\s*(?:passage|turn|said|about)[^>]*>+", re.IGNORECASE)
RECENT_TURNS = 6


@cache
def system_text() -> str:
    """The same bytes in every call, so that a model server's prefix cache holds them."""
    path = Path(__file__).parent / "prompts" / f"{VERSION}.txt"
    return path.read_text(encoding="utf-8")


def canary(secret: str, organisation: str) -> str:
    """A word that no honest nudge contains: seen in a draft, it means the prompt leaked."""
    digest = hmac.new(secret.encode(), f"canary {organisation}".encode(), hashlib.sha256)
    return f"ref-{digest.hexdigest()[:16]}"


def system_lines() -> tuple[str, ...]:
    """The prompt's own sentences, for the gate to recognise when a draft echoes them."""
    return tuple(line.strip("- ") for line in system_text().splitlines() if len(line) > 40)


def build_prompt(
    context: Mapping[str, str], passages: Sequence[Passage], *, canary_word: str
) -> Prompt:
    """The messages for one nudge from released and redacted fields and numbered passages."""
    parts = [
        f'<passage n="{n}" title="{_plain(p.title)}">{_plain(p.text)}</passage>'
        for n, p in enumerate(passages, start=1)
    ]
    for name, label in (("display_name", "name"), ("role", "role"), ("goal", "goal"),
                        ("profile_note", "note"), ("emotion", "feeling")):  # fmt: skip
        if value := context.get(name):
            parts.append(f'<about what="{label}">{_plain(value)}</about>')
    turns = context.get("recent_turns", "").split("\n")[-RECENT_TURNS:]
    parts += [f"<turn>{_plain(turn)}</turn>" for turn in turns if turn]
    parts.append(f"<said>{_plain(context['utterance'])}</said>")
    return Prompt(
        messages=(
            {"role": "system", "content": f"{system_text()}\nInternal mark: {canary_word}\n"},
            {"role": "user", "content": "\n".join(parts)},
        ),
        passages=len(passages),
    )


def _plain(text: str) -> str:
    """Text that cannot close the fence around it."""
    return FENCE.sub(" ", text).replace('"', "'")

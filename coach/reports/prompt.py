"""What a reasoning model is asked about a session, one question at a time."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from coach.gateway.growing import POINT
from coach.gateway.prompt import Prompt
from coach.gateway.tokens import MESSAGE_TOKENS, Count, estimate
from coach.nudges.prompt import plain
from coach.reports.material import Turn

MOST_TOKENS = 3000
VERSIONS = {"reflection": "reflection.v1", "summary": "summary.v1"}


@cache
def system_text(kind: str) -> str:
    """The same bytes for every question of this kind."""
    path = Path(__file__).parent / "prompts" / f"{VERSIONS[kind]}.txt"
    return path.read_text(encoding="utf-8")


def system_lines(kind: str) -> tuple[str, ...]:
    return tuple(line.strip("- ") for line in system_text(kind).splitlines() if len(line) > 40)


def build_prompt(
    kind: str,
    question: str,
    turns: Sequence[Turn],
    *,
    goal: str,
    canary_word: str,
    count: Count = estimate,
    most_tokens: int = MOST_TOKENS,
) -> tuple[Prompt, tuple[Turn, ...]]:
    """The messages for one question, and the turns they number; the oldest go where room is short.

    The question comes last, so that all questions about a session share their prefix.
    """
    system = f"{system_text(kind)}\nInternal mark: {canary_word}\n"
    about = [f'<about what="goal">{plain(goal)}</about>'] if goal else []
    last = f"<question>{question}</question>"
    room = most_tokens - 2 * MESSAGE_TOKENS - sum(map(count, (system, *about, last)))
    kept: list[Turn] = []
    for turn in reversed(turns):
        room -= count(_line(1, turn))
        if room < 0 and kept:
            break
        kept.insert(0, turn)
    lines = [_line(n, turn) for n, turn in enumerate(kept, start=1)]
    parts = [*about, *lines, last]
    prompt = Prompt(
        messages=(
            {"role": "system", "content": system},
            {"role": "user", "content": "\n".join(parts)},
        ),
        passages=len(kept),
        shape=POINT,
        tokens=2 * MESSAGE_TOKENS + sum(map(count, (system, *parts))),
    )
    return prompt, tuple(kept)


def _line(n: int, turn: Turn) -> str:
    return f'<turn n="{n}" speaker="{turn.speaker}">{plain(turn.text)}</turn>'

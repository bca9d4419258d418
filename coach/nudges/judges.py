"""What the output gate asks beyond its rules: is a draft toxic?"""

from safety.classifiers import Classifiers
from safety.errors import SignalsFailed
from safety.gate import Judge
from safety.guardrails import WORKING_POINT

JUDGE_S = 0.1
# A turn for the worse shows in the last words; the rest was read with the clauses before.
LAST_CHARACTERS = 160


def toxicity_judge(classifiers: Classifiers, *, patience: float = 1.0) -> Judge:
    """A judge by the classifiers; what they could not read is refused like what they condemn."""

    async def judge(text: str) -> str | None:
        try:
            signals = await classifiers.read_signals(
                text[-LAST_CHARACTERS:], role="facilitator", timeout_s=JUDGE_S * patience
            )
        except SignalsFailed:
            return "unread"
        return "toxicity" if signals.toxicity >= WORKING_POINT else None

    return judge

from collections.abc import Callable
from typing import Any

from safety.classifiers import InProcess
from safety.guardrails import check_input
from safety.management.rows import Row, RowsCommand


class Command(RowsCommand):
    help = "The input verdict: {id, text, turns?} -> allowed, policy, escalate."
    required = {"id": object, "text": str}
    optional = {"turns": list}

    def prepare(self, **_: Any) -> Callable[[Row], Row]:
        model = InProcess.load()

        def answer(row: Row) -> Row:
            turns = [str(turn) for turn in row.get("turns") or ()]
            signals = model.read_now(
                row["text"], previous=turns[-1] if turns else None, role="participant"
            )
            verdict = check_input(row["text"], signals, recent=turns)
            return {
                "id": row["id"],
                "allowed": verdict.allowed,
                "policy": verdict.policy,
                "escalate": verdict.escalate,
            }

        return answer

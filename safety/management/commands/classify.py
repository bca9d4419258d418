from collections.abc import Callable
from typing import Any

from safety.classifiers import InProcess
from safety.management.rows import Row, RowsCommand


class Command(RowsCommand):
    help = "Signals of each text: {id, text, previous?, role?} -> act, acts, emotions, dangers."
    required = {"id": object, "text": str}
    optional = {"previous": str, "role": str}

    def prepare(self, **_: Any) -> Callable[[Row], Row]:
        model = InProcess.load()

        def answer(row: Row) -> Row:
            signals = model.read_now(
                row["text"], previous=row.get("previous"), role=row.get("role")
            )
            return {
                "id": row["id"],
                "act": signals.act,
                "acts": _rounded(signals.acts),
                "emotions": _rounded(signals.emotions),
                "toxicity": round(signals.toxicity, 4),
                "self_harm": round(signals.self_harm, 4),
                "injection": round(signals.injection, 4),
            }

        return answer


def _rounded(scores: Any) -> dict[str, float]:
    return {name: round(score, 4) for name, score in scores.items()}

"""From an outcome to what is written of it and what each audience reads."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from coach.live.log import Outgoing
from coach.live.telling import Spoken
from coach.models import EXPIRES_S, FACILITATORS
from coach.nudges.help import help_card
from coach.nudges.outcome import Blocked, Cancelled, Escalated, Failed, Nudge, Outcome, Silence
from coach.nudges.trace import Heard, Trace
from coach.ops import metrics, tenants

FAILURES = {
    "late": "This took too long and was given up.",
    "internal": "Something broke on our side.",
    "redaction_failed": "Your words could not be masked safely, so they were not used.",
}


@dataclass
class Ending:
    """The end of one road, told to its speaker and to the facilitators."""

    heard: Heard
    audience: str
    outcome: Outcome
    trace: Trace
    nudge: UUID

    @property
    def held(self) -> bool:
        """Whether the nudge waits for the facilitator instead of going out."""
        return isinstance(self.outcome, Nudge) and self.heard.state.mode != "auto"

    @property
    def kind(self) -> str:
        match self.outcome:
            case Nudge():
                return "no_nudge" if self.held else "nudge.done"
            case Silence():
                return "no_nudge"
            case Blocked():
                return "blocked"
            case Escalated():
                return "escalated"
            case Cancelled():
                return "cancelled"
            case Failed():
                return "error"

    @property
    def reason(self) -> str:
        match self.outcome:
            case Nudge(reason=reason):
                return self.heard.state.mode if self.held else reason
            case Silence(reason=reason) | Cancelled(reason=reason):
                return reason
            case Blocked(policy=policy):
                return policy
            case Escalated(kind=kind):
                return kind
            case Failed(code=code):
                return code

    def columns(self) -> dict[str, Any]:
        """The arguments of `EventLog.finish`, but for session and time."""
        row = alert = None
        outgoing = [
            Outgoing(self.audience, self.kind, self._for_speaker()),
            Outgoing(FACILITATORS, self._facilitator_kind, self._for_facilitator()),
        ]
        if self.audience == FACILITATORS:
            outgoing.pop()
        if isinstance(self.outcome, Nudge):
            row = self._nudge_row(self.outcome)
        if isinstance(self.outcome, Escalated):
            alert = {"id": str(uuid4()), "kind": self.outcome.kind}
            frame = {
                "alert": alert["id"],
                "kind": self.outcome.kind,
                "member": str(self.heard.member),
                "name": self.heard.room.neutral_name(self.heard.member),
                "utterance": str(self.heard.utterance),
            }
            outgoing.append(Outgoing(FACILITATORS, "alert", frame))
        return {
            "utterance": self.heard.utterance,
            "outcome": self.kind,
            "reason": self.reason,
            "act": self.trace.act,
            "outgoing": outgoing,
            "nudge": row,
            "alert": alert,
        }

    def unwritten(self) -> dict[str, Any]:
        """What the speaker gets when the log cannot be written: a card still, else an error."""
        if isinstance(self.outcome, Escalated):
            return {"type": "escalated", **self._for_speaker()}
        return {
            "type": "error",
            "utterance": str(self.heard.utterance),
            "code": "unavailable",
            "detail": "The outcome could not be stored.",
        }

    def timing(self) -> dict[str, Any]:
        """All stages, the writing of the outcome included; sent but not kept."""
        return {
            "type": "timing",
            "utterance": str(self.heard.utterance),
            "outcome": self.kind,
            "source": self.outcome.source if isinstance(self.outcome, Nudge) else None,
            "stages": self.trace.watch.as_rows(),
            "total_ms": round(self.trace.watch.elapsed_ms(), 3),
        }

    @property
    def spoken(self) -> Spoken:
        """The utterance and its end, for the facilitators."""
        signals = self.trace.signals
        return Spoken(
            utterance=self.heard.utterance,
            session=self.heard.room.session,
            member=self.heard.member,
            name=self.heard.room.neutral_name(self.heard.member),
            text=self.heard.text,
            outcome=self.kind,
            reason=self.reason,
            signals=None if signals is None else {
                "act": signals.act,
                "toxicity": round(signals.toxicity, 3),
                "careful": self.trace.careful,
            },
        )  # fmt: skip

    def count(self) -> None:
        """Into metrics and trace; reasons come from our own code, so their number is bounded."""
        watch = self.trace.watch
        for name, spent in watch.stages:
            metrics.STAGE.labels(name).observe(spent)
        metrics.TERMINAL.labels(self.kind).observe(watch.elapsed_ms())
        tenant = tenants.name_of(self.heard.room.organisation_id)
        metrics.OUTCOMES.labels(self.kind, self.reason, tenant).inc()
        if isinstance(self.outcome, Nudge):
            metrics.NUDGES.labels(self.outcome.source, self.outcome.reason).inc()
            metrics.FIRST_WORDS.labels(self.outcome.source).observe(self._first_ms())
            metrics.TENANT_NUDGE.labels(tenant).observe(watch.elapsed_ms())
        if isinstance(self.outcome, Escalated):
            metrics.ALERTS.labels(self.outcome.kind).inc()
        watch.span.tell(
            {
                "sidecoach.session": str(self.heard.room.session),
                "sidecoach.utterance": str(self.heard.utterance),
                "sidecoach.tenant": tenant,
                "sidecoach.outcome": self.kind,
                "sidecoach.reason": self.reason or None,
                "sidecoach.route": self.trace.route or None,
                "sidecoach.first_ms": self.trace.first_ms,
                "sidecoach.passages": len(self.trace.passages),
            }
        )

    @property
    def _facilitator_kind(self) -> str:
        return "nudge.held" if self.held else self.kind

    def _for_speaker(self) -> dict[str, Any]:
        frame: dict[str, Any] = {"utterance": str(self.heard.utterance)}
        match self.outcome:
            case Nudge() as nudge if not self.held:
                return frame | self._nudge_frame(nudge) | self._help()
            case Nudge() | Silence():
                return frame | {"reason": self.reason} | self._help()
            case Cancelled():
                return frame | {"reason": self.reason}
            case Blocked(policy=policy):
                return frame | {"policy": policy}
            case Escalated(card=card):
                return frame | {"card": dict(card)}
            case Failed(code=code):
                return frame | {"code": code, "detail": FAILURES[code]}

    def _help(self) -> dict[str, Any]:
        """People to turn to, at hand for this member alone, where their words may weigh more."""
        if not self.trace.careful:
            return {}
        return {"help": {"contacts": help_card(self.heard)["contacts"]}}

    def _for_facilitator(self) -> dict[str, Any]:
        frame: dict[str, Any] = {
            "utterance": str(self.heard.utterance),
            "member": str(self.heard.member),
            "reason": self.reason,
            "trace": self._trace(),
        }
        if isinstance(self.outcome, Nudge):
            frame |= self._nudge_frame(self.outcome)
        return frame

    def _nudge_frame(self, nudge: Nudge) -> dict[str, Any]:
        return {
            "nudge": str(self.nudge),
            "text": nudge.text,
            "citations": [c.as_json() for c in nudge.citations],
            "source": nudge.source,
            "reason": nudge.reason,
            "retracts": nudge.retracts,
            "expires_s": EXPIRES_S,
            "first_ms": round(self._first_ms(), 1),
            "total_ms": round(self.trace.watch.elapsed_ms(), 1),
        }

    def _nudge_row(self, nudge: Nudge) -> dict[str, Any]:
        frame = self._nudge_frame(nudge)
        return {
            "id": frame["nudge"],
            "text": nudge.text,
            "citations": frame["citations"],
            "passages": [str(c.passage) for c in nudge.citations],
            "source": nudge.source,
            "reason": nudge.reason,
            "state": "held" if self.held else "shown",
            "trace": self._trace(),
            "first_ms": frame["first_ms"],
            "total_ms": frame["total_ms"],
        }

    def _trace(self) -> dict[str, Any]:
        trace = self.trace
        view = trace.disclosure
        return {
            "route": trace.route,
            "choice": list(trace.choice),
            "confidence": trace.confidence,
            "verdict": trace.verdict,
            "act": trace.act,
            "rule": trace.rule,
            "stages": trace.watch.as_rows(),
            "first_token_ms": trace.first_token_ms,
            "fields_used": sorted(view.released) if view else [],
            "withheld": sorted(view.withheld) if view else [],
            "passages": [
                {
                    "passage": str(p.id),
                    "title": p.title,
                    "rank": p.rank,
                    "score": round(float(p.score), 4),
                }
                for p in trace.passages
            ],
        }

    def _first_ms(self) -> float:
        return self.trace.first_ms or self.trace.watch.elapsed_ms()

"""The road of an utterance: from accepted words to one outcome, in plain calls, top to bottom."""

import asyncio

import structlog

from coach.cadence.rules import QUIET, Rule, deciding, reads_emotions
from coach.engines import Engines
from coach.gateway.errors import GatewayError
from coach.live.deadline import Deadline
from coach.nudges.due import calls_for_none, moment_of, refused_by_room
from coach.nudges.help import help_card
from coach.nudges.outcome import (
    Blocked,
    Escalated,
    Outcome,
    Silence,
    stand_in,
)
from coach.nudges.permission import ConsentChanged
from coach.nudges.trace import Heard, Trace
from coach.nudges.writing import Show, Writing
from coach.ops import metrics
from consent.errors import ConsentError, UnknownSubject
from consent.registry import Field, Purpose
from consent.vault import Disclosure
from rag.errors import RetrievalError, Ungrounded
from rag.fusion import Signals as SessionSignals
from rag.retrieval import Filters, Passage, Pool
from rag.screening import suspect
from safety import guardrails
from safety.classifiers import Signals
from safety.errors import GateClosed, RedactionFailed, SignalsFailed

log = structlog.get_logger(__name__)

DISCLOSE_S = 0.3
READ_S = 0.35
PASSAGES = 5
# A model is to choose between passages, not to read one five times over.
DIVERSITY = 0.1
STORED_FIELDS = ("display_name", "role", "goal", "profile_note")
SELF_HARM = "self_harm"


async def compose(
    heard: Heard,
    *,
    engines: Engines,
    show: Show,
    clause_by: Deadline,
    deadline: Deadline,
    trace: Trace,
) -> Outcome:
    """Answer one utterance with one outcome by the deadline.

    Danger first, by rules that need nobody's permission and no model. Then consent; nothing later
    sees a withheld field. `show` gets each clause, and its offset, once the output gate let it go.
    Without a clause at `clause_by` the best passage stands in for the draft.
    """
    watch = trace.watch
    with watch.stage("guard"):
        ruled = guardrails.by_rule(heard.text, heard.state.recent_turns)
        danger = guardrails.judge(ruled, None)
        if danger.escalate:
            return _escalated(danger.policy, heard, trace)
    if refused := refused_by_room(heard.state):
        return Silence(refused)

    with watch.stage("disclose"):
        try:
            view = await _disclose(heard, engines, deadline)
        except UnknownSubject:
            return Silence("no_consent")
        except ConsentError:
            return Silence("consent_unavailable")
    trace.disclosure = view
    if "utterance" in view.withheld:
        return Silence("no_consent")
    with watch.stage("redact"):
        try:
            context = await _redact_stored(view, heard, engines, deadline)
        except RedactionFailed:
            return Silence("redaction_failed")

    with watch.stage("read"):
        signals, pool = await _read(context, view, heard, engines, deadline)
    passages = trace.passages = _chosen(pool, signals, heard.room.phase)
    with watch.stage("guard"):
        verdict = guardrails.judge(ruled, signals)
        trace.verdict = verdict.policy or "allowed"
        trace.careful = verdict.careful
        if signals is not None:
            trace.signals, trace.act = signals, signals.act
        if verdict.escalate:
            return _escalated(verdict.policy, heard, trace)
        if not verdict.allowed and verdict.policy in ("injection", "toxicity"):
            return Blocked(verdict.policy)
        if not verdict.allowed and verdict.policy == "off_topic":
            return Silence("off_topic")
        rule = await _rule(signals, view, heard, engines, deadline)
        if rule is None and calls_for_none(heard.text, trace.act):
            return Silence("not_needed")
        if rule is not None:
            metrics.RULES.labels(rule.on, rule.then).inc()
            # A rule on feelings is not told: they are between a person and their own nudges.
            trace.rule = "" if rule.emotions else rule.name
            if rule.then == QUIET:
                return Silence("rule")
            if rule.activity:
                passages = trace.passages = _chosen(pool, signals, rule.activity)
    recent = heard.state.recent_passages
    if not verdict.allowed:
        return stand_in(passages, verdict.policy or "unread", recent=recent)
    if verdict.careful:
        # Without a reason: facilitators are told it, whether they may read the words or not.
        return stand_in(passages, "", recent=recent)
    if heard.state.killed:
        return stand_in(passages, "killed", recent=recent)
    if not passages:
        return Silence("no_passage")

    writing = Writing(heard, context, view, engines, show, clause_by, deadline, trace)
    with watch.stage("draft"):
        try:
            nudge = await writing.nudge()
            writing.keep(nudge)
            return nudge
        except (GatewayError, Ungrounded) as exc:
            reason = exc.reason
        except GateClosed as exc:
            reason = f"gate_{exc.reason}"
        except TimeoutError:
            reason = "model_late"
        except (ConsentChanged, ConsentError):
            return Silence("consent_changed")
    return stand_in(passages, reason, recent=recent, retracts=bool(writing.shown))


async def _disclose(heard: Heard, engines: Engines, deadline: Deadline) -> Disclosure:
    data = {"utterance": heard.text}
    if heard.state.recent_turns:
        data["recent_turns"] = "\n".join(heard.state.recent_turns)
    view = await engines.vault.disclose(
        heard.member,
        data,
        purpose=Purpose.COACHING,
        recipient=engines.recipient,
        stored=STORED_FIELDS,
        about=heard.utterance,
        timeout_s=deadline.at_most_s(DISCLOSE_S),
    )
    for name in view.unknown:
        metrics.UNKNOWN_FIELDS.labels(name).inc()
    return view


async def _redact_stored(
    view: Disclosure, heard: Heard, engines: Engines, deadline: Deadline
) -> dict[str, str]:
    """The released fields; what the person wrote about themselves is masked like their speech.

    Their name, where they allow it, is theirs to give and stays. A field that gives orders to a
    model is left out.
    """
    context = {
        name: value
        for name, value in view.released.items()
        if name not in STORED_FIELDS or not guardrails.gives_orders(value)
    }
    for name in ("goal", "profile_note"):
        if name in context:
            redacted = await engines.redact(context[name], heard.room, deadline)
            context[name] = redacted.text
    return context


async def _rule(
    signals: Signals | None,
    view: Disclosure,
    heard: Heard,
    engines: Engines,
    deadline: Deadline,
) -> Rule | None:
    """The playbook's rule that decides about this utterance, if one does."""
    rules = heard.room.rules
    if not rules:
        return None
    feelings = False
    granted = view.grants.get(Purpose.EMOTION_SIGNALS.value, frozenset())
    if Field.EMOTION.value in granted and reads_emotions(rules):
        try:
            felt = await engines.vault.disclose(
                heard.member,
                {Field.EMOTION.value: "read"},
                purpose=Purpose.EMOTION_SIGNALS,
                recipient="trigger rules",
                about=heard.utterance,
                timeout_s=deadline.at_most_s(DISCLOSE_S),
            )
            feelings = Field.EMOTION.value in felt.released
        except ConsentError:
            feelings = False
    moment = moment_of(heard.text, signals, phase=heard.room.phase, feelings=feelings)
    return deciding(rules, moment)


async def _read(
    context: dict[str, str],
    view: Disclosure,
    heard: Heard,
    engines: Engines,
    deadline: Deadline,
) -> tuple[Signals | None, Pool | None]:
    """Signals, and the passages to choose from, side by side; a side that fails is None."""
    turns = (
        tuple(context.get("recent_turns", "").split("\n")) if context.get("recent_turns") else ()
    )
    limit_s = deadline.at_most_s(READ_S)

    async def signals() -> Signals | None:
        try:
            return await engines.classifiers.read_signals(
                heard.text,
                previous=turns[-1] if turns else None,
                role="participant",
                timeout_s=limit_s,
            )
        except SignalsFailed as exc:
            log.warning("road.unread", reason=type(exc).__name__)
            return None

    async def search() -> Pool | None:
        if heard.room.playbook_id is None:
            return None
        try:
            return await engines.retrieval.pool(
                heard.text,
                organisation_id=heard.room.organisation_id,
                playbook_id=heard.room.playbook_id,
                limit=PASSAGES,
                filters=Filters(role="participant"),
                context=turns,
                varied=True,
                timeout_s=limit_s,
            )
        except RetrievalError as exc:
            log.warning("road.unsearched", reason=type(exc).__name__)
            return None

    async with asyncio.TaskGroup() as group:
        reading, searching = group.create_task(signals()), group.create_task(search())
    return reading.result(), searching.result()


def _chosen(pool: Pool | None, signals: Signals | None, activity: str) -> tuple[Passage, ...]:
    """The best passages for what was heard, those for this activity before others."""
    if pool is None:
        return ()
    session = SessionSignals(
        act=signals.act if signals is not None else "", activity=activity.casefold()
    )
    found = pool.best(PASSAGES, signals=session, diversity=DIVERSITY)
    # What speaks to a model was planted, however it came past the review at import.
    return tuple(
        p for p in found.passages if not (suspect(p.text) or guardrails.gives_orders(p.text))
    )


def _escalated(policy: str | None, heard: Heard, trace: Trace) -> Escalated:
    trace.verdict = policy or SELF_HARM
    return Escalated(kind=policy or SELF_HARM, card=help_card(heard))

"""The road of an utterance: from accepted words to one outcome, in plain calls, top to bottom."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from django.conf import settings

from coach.engines import Engines
from coach.gateway.errors import GatewayError
from coach.live.deadline import Deadline, Stopwatch
from coach.live.log import Accepted
from coach.live.room import Room
from coach.nudges.due import calls_for_none, refused_by_room
from coach.nudges.outcome import (
    Blocked,
    Citation,
    Escalated,
    Nudge,
    Outcome,
    Silence,
    card_frame,
    stand_in,
)
from coach.nudges.permission import ConsentChanged, while_allowed
from coach.nudges.prompt import build_prompt, system_lines
from coach.ops import metrics
from consent.errors import ConsentError, UnknownSubject
from consent.registry import Purpose
from consent.vault import Disclosure
from rag.errors import RetrievalError
from rag.retrieval import Filters, Passage
from safety import crisis, gate, guardrails
from safety.classifiers import Signals
from safety.errors import GateClosed, RedactionFailed, SignalsFailed

log = structlog.get_logger(__name__)

DISCLOSE_S = 0.3
READ_S = 0.35
PASSAGES = 5
STORED_FIELDS = ("display_name", "role", "goal", "profile_note")
SELF_HARM = "self_harm"

Show = Callable[[str, int], Awaitable[None]]


@dataclass(frozen=True)
class Heard:
    """One accepted utterance, redacted, and what its room looked like at that moment."""

    utterance: UUID
    member: UUID
    room: Room
    state: Accepted
    text: str = field(repr=False)


@dataclass
class Trace:
    """What a facilitator may know of a road: ids, scores and reasons, no words."""

    watch: Stopwatch
    act: str = ""
    signals: Signals | None = field(default=None, repr=False)
    disclosure: Disclosure | None = None
    passages: tuple[Passage, ...] = field(default=(), repr=False)
    route: str = ""
    verdict: str = ""
    first_ms: float | None = None
    first_token_ms: float | None = None


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
        danger = guardrails.check_input(heard.text, None, recent=heard.state.recent_turns)
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
        signals, passages = await _read(context, view, heard, engines, deadline)
    trace.passages = passages
    with watch.stage("guard"):
        verdict = guardrails.check_input(heard.text, signals, recent=heard.state.recent_turns)
        trace.verdict = verdict.policy or "allowed"
        if signals is not None:
            trace.signals, trace.act = signals, signals.act
        if verdict.escalate:
            return _escalated(verdict.policy, heard, trace)
        if not verdict.allowed and verdict.policy in ("injection", "toxicity"):
            return Blocked(verdict.policy)
        if not verdict.allowed and verdict.policy == "off_topic":
            return Silence("off_topic")
        if calls_for_none(heard.text, trace.act):
            return Silence("not_needed")
    recent = heard.state.recent_passages
    if not verdict.allowed:
        return stand_in(passages, verdict.policy or "unread", recent=recent)
    if heard.state.killed:
        return stand_in(passages, "killed", recent=recent)
    if not passages:
        return Silence("no_passage")

    shown: list[str] = []
    with watch.stage("draft"):
        try:
            return await _from_model(
                heard, context, view, engines, show, shown, clause_by, deadline, trace
            )
        except GatewayError as exc:
            reason = exc.reason
        except GateClosed as exc:
            reason = f"gate_{exc.reason}"
        except TimeoutError:
            reason = "model_late"
        except (ConsentChanged, ConsentError):
            return Silence("consent_changed")
    return stand_in(passages, reason, recent=recent)


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
        timeout_s=min(DISCLOSE_S, deadline.remaining_s()),
    )
    for name in view.unknown:
        metrics.UNKNOWN_FIELDS.labels(name).inc()
    return view


async def _redact_stored(
    view: Disclosure, heard: Heard, engines: Engines, deadline: Deadline
) -> dict[str, str]:
    """The released fields; what the person wrote about themselves is masked like their speech.

    Their name, where they allow it, is theirs to give and stays.
    """
    context = dict(view.released)
    for name in ("goal", "profile_note"):
        if name in context:
            redacted = await engines.redact(context[name], heard.room, deadline)
            context[name] = redacted.text
    return context


async def _read(
    context: dict[str, str],
    view: Disclosure,
    heard: Heard,
    engines: Engines,
    deadline: Deadline,
) -> tuple[Signals | None, tuple[Passage, ...]]:
    """Signals and passages, side by side; each side that fails is None or empty."""
    turns = (
        tuple(context.get("recent_turns", "").split("\n")) if context.get("recent_turns") else ()
    )
    limit_s = min(READ_S, deadline.remaining_s())

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

    async def search() -> tuple[Passage, ...]:
        if heard.room.playbook_id is None:
            return ()
        try:
            found = await engines.retrieval.search(
                heard.text,
                organisation_id=heard.room.organisation_id,
                playbook_id=heard.room.playbook_id,
                limit=PASSAGES,
                filters=Filters(role="participant"),
                context=turns,
                timeout_s=limit_s,
            )
        except RetrievalError as exc:
            log.warning("road.unsearched", reason=type(exc).__name__)
            return ()
        return found.passages

    async with asyncio.TaskGroup() as group:
        reading, searching = group.create_task(signals()), group.create_task(search())
    return reading.result(), searching.result()


async def _from_model(
    heard: Heard,
    context: dict[str, str],
    view: Disclosure,
    engines: Engines,
    show: Show,
    shown: list[str],
    clause_by: Deadline,
    deadline: Deadline,
    trace: Trace,
) -> Nudge:
    """The model's nudge, shown clause by clause while it is written.

    Raises GatewayError, GateClosed, TimeoutError, ConsentChanged, ConsentError.
    """
    passages = trace.passages
    mark = engines.canary(heard.room.organisation_id)
    prompt = build_prompt(context, passages, canary_word=mark)
    protected = gate.Protected(
        names=heard.room.names, canaries=(mark,), prompt_lines=system_lines()
    )

    async def still_allowed() -> None:
        now = await engines.vault.epoch(
            heard.member, timeout_s=min(DISCLOSE_S, deadline.remaining_s())
        )
        if now != view.epoch:
            raise ConsentChanged

    if engines.gateway.routes:
        await still_allowed()
    async with (
        while_allowed(still_allowed),
        engines.gateway.draft(prompt, deadline=deadline) as draft,
    ):
        trace.route = draft.route
        clauses = gate.release(
            aiter(draft), passages=[p.text for p in passages], protected=protected
        )
        async with aclosing(clauses):
            while True:
                limit = deadline if shown else clause_by
                async with asyncio.timeout(limit.remaining_s()):
                    clause = await anext(clauses, None)
                if clause is None:
                    break
                await still_allowed()
                if not shown:
                    trace.first_ms = trace.watch.elapsed_ms()
                    trace.first_token_ms = draft.first_token_ms
                await show(clause, sum(map(len, shown)))
                shown.append(clause)
        cites = draft.body.cites if draft.body is not None else ()
    citations = _citations(cites, passages)
    if not citations or not shown:
        raise GateClosed("no_source")
    return Nudge("".join(shown).strip(), citations, source="model", route=trace.route)


def _citations(cites: Sequence[int], passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """The cited passages that exist; a number outside the prompt's is no citation."""
    cited = [passages[n - 1] for n in dict.fromkeys(cites) if 1 <= n <= len(passages)]
    return tuple(Citation(p.id, p.title, p.version, p.text) for p in cited)


def _escalated(policy: str | None, heard: Heard, trace: Trace) -> Escalated:
    trace.verdict = policy or SELF_HARM
    card = crisis.card(heard.room.language, settings.CRISIS_CARDS or crisis.CARDS)
    return Escalated(kind=policy or SELF_HARM, card=card_frame(card))

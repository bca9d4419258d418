"""The draft of one nudge: one that was kept, or a model's, each clause past the output gate."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from uuid import UUID

from django.conf import settings

from coach.engines import Engines
from coach.gateway.draft import Draft
from coach.gateway.errors import GatewayError, NoRoute
from coach.gateway.kept import Kept, Terms
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Role, Tier
from coach.live.deadline import Deadline
from coach.nudges import prompt
from coach.nudges.judges import toxicity_judge
from coach.nudges.outcome import Citation, Nudge
from coach.nudges.permission import ConsentChanged, while_allowed
from coach.nudges.prompt import build_prompt, cache_salt, system_lines
from coach.nudges.trace import Heard, Trace
from coach.ops import tracing
from consent.vault import Disclosure
from rag.errors import Ungrounded
from rag.grounding import Grounding
from rag.retrieval import Passage
from safety import gate, guardrails
from safety.errors import GateClosed

EPOCH_S = 0.3
FIND_S = 0.1

Show = Callable[[str, int], Awaitable[None]]


@dataclass
class Writing:
    """One draft being written for one utterance; `shown` are the clauses that are out."""

    heard: Heard
    context: Mapping[str, str] = field(repr=False)
    view: Disclosure
    engines: Engines
    show: Show
    clause_by: Deadline
    deadline: Deadline
    trace: Trace
    shown: list[str] = field(default_factory=list, repr=False)

    async def nudge(self) -> Nudge:
        """A kept draft that fits, else a model's, else a kept one that nearly fits.

        Raises GatewayError, GateClosed, TimeoutError, ConsentChanged, ConsentError.
        """
        gateway, room = self.engines.gateway, self.heard.room
        if not gateway.routes():
            raise NoRoute("no model is set up")
        kept, _ = await asyncio.gather(self._find(), self._still_allowed())
        if kept is not None and kept.sure and self._may_show(kept.text):
            return self._again(kept)
        mark = self.engines.canary(room.organisation_id)
        asked = build_prompt(
            self.context, self.trace.passages, canary_word=mark,
            count=gateway.counter(Role.NUDGE),
        )  # fmt: skip
        ask = Ask(
            room.organisation_id, room.session, self.heard.member, self.heard.utterance,
            language=room.language,
            salt=cache_salt(settings.SECRET_KEY, str(room.organisation_id)),
        )  # fmt: skip
        try:
            return await self._by_a_model(asked, ask)
        except (GatewayError, TimeoutError) as exc:
            if kept is None or self.shown or not self._may_show(kept.text):
                raise
            return self._again(kept, reason=getattr(exc, "reason", "model_late"))

    async def _by_a_model(self, asked: Prompt, ask: Ask) -> Nudge:
        """The first model's nudge; a heavier one's where the first named no source in time."""
        above: Tier | None = None
        while True:
            try:
                return await self._from_model(asked, ask, above)
            except (GateClosed, Ungrounded) as exc:
                tier = Tier(self.trace.tier)
                weak = exc.reason in ("no_source", Ungrounded.reason)
                again = above is None and weak and not self.shown
                if not again or not self.engines.gateway.heavier(ask, asked, tier):
                    raise
                above = tier

    async def _from_model(self, asked: Prompt, ask: Ask, above: Tier | None) -> Nudge:
        passages = self.trace.passages[: asked.passages]
        grounding = Grounding(
            passages, self.engines.retrieval.encoder, patience=self.deadline.patience
        )
        async with (
            while_allowed(self._still_allowed),
            self.engines.gateway.draft(
                asked, ask, deadline=self.deadline, first_by=self.clause_by, above=above
            ) as draft,
        ):
            self.trace.route, self.trace.tier = draft.route.name, draft.route.tier.value
            self.trace.choice = draft.choice.why
            passed = gate.release(
                aiter(draft),
                passages=[p.text for p in passages],
                protected=self._protected,
                judges=(toxicity_judge(self.engines.classifiers, patience=self.deadline.patience),),
            )
            async with aclosing(passed), aclosing(grounding.release(passed)) as clauses:
                with tracing.span("gate") as gated:
                    held = await self._release(clauses, draft)
                    gated.tell({"sidecoach.clauses": len(self.shown)})
            self.trace.confidence = draft.confidence
            cites = draft.body.cites if draft.body is not None else ()
            if not self.shown:
                raise GateClosed("repeated" if held else "no_source")
        citations = _citations(grounding, passages, cites)
        text = "".join(self.shown).strip()
        return Nudge(text, citations, source="model", route=self.trace.route)

    async def _release(self, clauses: AsyncIterator[str], draft: Draft) -> str:
        """Show each clause that comes out of the gate, while its reader still allows it.

        Gives the words that were held to the end, since they were said before.
        """
        held = ""
        while True:
            limit = self.deadline if self.shown else self.clause_by
            async with asyncio.timeout(limit.remaining_s()):
                clause = await anext(clauses, None)
            if clause is None:
                return held
            held += clause
            if not self.shown and self._said_before(held):
                continue
            await self._still_allowed()
            if not self.shown:
                self.trace.first_ms = self.trace.watch.elapsed_ms()
                self.trace.first_token_ms = draft.first_token_ms
            await self.show(held, sum(map(len, self.shown)))
            self.shown.append(held)
            held = ""

    def keep(self, nudge: Nudge) -> None:
        """Have a model's nudge at hand for whoever says the same under the same terms."""
        if nudge.source == "model" and (terms := self._terms()) is not None:
            self.engines.kept.keep_soon(
                self.heard.text, nudge.text, [c.as_json() for c in nudge.citations], terms,
                member=self.heard.member, route=nudge.route,
            )  # fmt: skip

    async def _find(self) -> Kept | None:
        terms = self._terms()
        if terms is None:
            return None
        with tracing.span("kept") as told:
            kept = await self.engines.kept.find(
                self.heard.text, terms, among=[p.id for p in self.trace.passages],
                avoid=self.heard.state.recent_passages,
                timeout_s=self.deadline.at_most_s(FIND_S),
            )  # fmt: skip
            told.tell({"sidecoach.cache_hit": kept is not None and kept.sure})
        return kept

    async def _still_allowed(self) -> None:
        now = await self.engines.vault.epoch(
            self.heard.member, timeout_s=self.deadline.at_most_s(EPOCH_S)
        )
        if now != self.view.epoch:
            raise ConsentChanged

    def _again(self, kept: Kept, *, reason: str = "") -> Nudge:
        self.trace.route = kept.route
        citations = tuple(
            Citation(UUID(c["passage"]), c["title"], c["version"], c["quote"])
            for c in kept.citations
        )
        return Nudge(kept.text, citations, source="cache", reason=reason, route=kept.route)

    def _may_show(self, text: str) -> bool:
        """Whether the gate lets this text into this room, whose names and marks are its own."""
        if text in self.heard.state.recent_nudges:
            return False
        quotes = [p.text for p in self.trace.passages]
        return gate.check(text, passages=quotes, protected=self._protected) is None

    def _said_before(self, text: str) -> bool:
        """Whether it begins as a nudge did that they were shown lately, and may become it."""
        return any(nudge.startswith(text.strip()) for nudge in self.heard.state.recent_nudges)

    def _terms(self) -> Terms | None:
        """None where there is no playbook to be true to."""
        room, passages = self.heard.room, self.trace.passages
        if room.playbook_id is None or not passages:
            return None
        return Terms(
            organisation=room.organisation_id,
            playbook=room.playbook_id,
            version=passages[0].version,
            # A name in the context never reaches a draft: the gate holds every name back.
            fields=frozenset(self.context) - {"display_name", "recent_turns"},
            policy=policy_version(),
            prompt=prompt.VERSION,
            language=room.language,
        )

    @property
    def _protected(self) -> gate.Protected:
        room = self.heard.room
        return gate.Protected(
            names=room.names,
            canaries=(self.engines.canary(room.organisation_id),),
            prompt_lines=system_lines(),
        )


@cache
def policy_version() -> str:
    """Changes with every change to the rules that a draft is checked by."""
    digest = hashlib.sha256()
    for module in (gate, guardrails):
        digest.update(Path(module.__file__ or "").read_bytes())
    return digest.hexdigest()[:16]


def _citations(
    grounding: Grounding, passages: Sequence[Passage], named: Sequence[int]
) -> tuple[Citation, ...]:
    """The passages that the text rests on, with the words that count; those it named first."""
    cited = grounding.cited([number - 1 for number in named])
    return tuple(
        Citation(passages[place].id, passages[place].title, passages[place].version, quote)
        for place, quote in cited
    )

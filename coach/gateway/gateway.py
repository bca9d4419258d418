"""The one place a model is called from: choose routes, call them in time, hand over the words."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self
from uuid import UUID

from coach.gateway.breaker import State
from coach.gateway.chain import Chain, Order
from coach.gateway.choice import Choice, choose
from coach.gateway.draft import Draft, Ledger, outcome_of
from coach.gateway.errors import (
    GatewayError,
    Killed,
    NoRoute,
    RouteClosed,
)
from coach.gateway.plan import Plan, Used
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Role, Route, Stage, Tier
from coach.gateway.tokens import Count, counter
from coach.live.deadline import Deadline
from coach.ops import metrics
from safety.errors import GateClosed

SHADOW_MS = 5000.0


class Gateway:
    """Routes with a client and a breaker each. Made on the loop that uses it.

    Without a ledger nothing is charged or logged, as for a model of one's own on the desk.
    """

    def __init__(self, plan: Plan, ledger: Ledger | None = None) -> None:
        self.plan = plan
        self._chain = Chain(ledger, self._chosen)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._chain.close()

    async def settled(self) -> None:
        """Wait until every call that has ended is on the books."""
        await self._chain.settled()

    def routes(self, role: Role = Role.NUDGE) -> Sequence[Route]:
        """Routes that people's words may go to for this role, by choice or in a trial."""
        tried = {trial.candidate for trial in self.plan.trials if trial.role == role}
        live = (Stage.PRODUCTION, Stage.DEPRECATED)
        return [
            route
            for route in self.plan.routes
            if route.name in tried or (role in route.roles and route.stage in live)
        ]

    def states(self) -> dict[str, State]:
        return {route.name: self._chain.breaker(route).state for route in self.plan.routes}

    def sessions(self) -> set[UUID]:
        """Sessions that have a call open now."""
        return {call.ask.session for call in self._chain.open.values()}

    def counter(self, role: Role) -> Count:
        """Counts tokens as the model does that will most likely be asked for this role."""
        return counter(next(iter(self.routes(role)), None))

    def heavier(self, ask: Ask, prompt: Prompt, tier: Tier) -> Route | None:
        """The route above this tier that would be asked now."""
        return next(iter(self._chosen(prompt, ask, tier).routes), None)

    def adopt(self, plan: Plan) -> None:
        """Go on by this plan; what runs against its switches stops now."""
        self.plan = plan
        self._chain.asked.clear()
        for call in self._chain.open.values():
            ask = call.ask
            if plan.switches.stop(ask.role, ask.organisation, ask.session):
                call.attempt.stop(Killed("switched off"))

    @asynccontextmanager
    async def draft(
        self,
        prompt: Prompt,
        ask: Ask,
        *,
        deadline: Deadline,
        first_by: Deadline | None = None,
        above: Tier | None = None,
    ) -> AsyncIterator[Draft]:
        """A draft being written; leaving the block closes the upstream call at once.

        Its first word comes by `first_by`, or ModelLate. `above` asks for a heavier route than
        that tier. Raises GatewayError; a failure inside the block counts against the route if it
        is the route's own, and giving up for another reason does not.
        """
        if self.plan.switches.stop(ask.role, ask.organisation, ask.session):
            raise Killed("switched off")
        metrics.DRAFTS.labels("first" if above is None else "heavier").inc()
        begun = time.perf_counter()
        choice, prompt = self._choose(prompt, ask, above)
        chosen_ms = (time.perf_counter() - begun) * 1000
        order = Order(prompt, ask, choice, first_by or deadline, deadline, chosen_ms)
        call = await self._chain.first_words(order)
        draft = Draft(call, prompt, choice)
        outcome = "abandoned"
        try:
            yield draft
            outcome = "ok" if draft.body is not None else "abandoned"
        except (GatewayError, GateClosed, TimeoutError) as exc:
            outcome = outcome_of(exc)
            raise
        finally:
            await self._chain.end(call, outcome)
        if (shadow := self.plan.shadow(ask.role, ask.session)) is not None:
            self._chain.keep(self._ask_shadow(shadow, prompt, ask))

    def _choose(self, prompt: Prompt, ask: Ask, above: Tier | None) -> tuple[Choice, Prompt]:
        """Routes for the whole prompt, or for as much of it as the widest one takes."""
        choice = self._chosen(prompt, ask, above)
        if not choice.routes and self.plan.routes:
            widest = max(r.context_tokens - r.max_tokens for r in self.plan.routes)
            if prompt.tokens > widest and (shorter := prompt.shorten(widest)) is not None:
                prompt, choice = shorter, self._chosen(shorter, ask, above)
        if choice.routes:
            return choice, prompt
        closed = any(why.endswith("breaker open") for why in choice.why)
        raise (RouteClosed if closed else NoRoute)("; ".join(choice.why) or "no model is set up")

    def _chosen(self, prompt: Prompt, ask: Ask, above: Tier | None) -> Choice:
        return choose(
            self.plan, ask, prompt,
            admits=lambda route: self._chain.breaker(route).state is not State.OPEN,
            used=self._used, above=above,
        )  # fmt: skip

    async def _ask_shadow(self, route: Route, prompt: Prompt, ask: Ask) -> None:
        """Ask a route in the background what another one answered; nobody sees the words."""
        deadline = Deadline.after_ms(SHADOW_MS)
        choice = Choice((route,), ("shadow",))
        try:
            call = await self._chain.begin(
                route, Order(prompt, ask, choice, deadline, deadline), shadow=True
            )
        except GatewayError:
            return
        outcome = "abandoned"
        try:
            async for _ in Draft(call, prompt, choice):
                pass
            outcome = "ok"
        except GatewayError as exc:
            outcome = outcome_of(exc)
        finally:
            await self._chain.end(call, outcome)

    def _used(self, route: Route) -> Used:
        known = self.plan.used.get(route.name, Used())
        return Used(known.tokens + self._chain.asked[route.name], known.requests)

"""The one place a model is called from: choose routes, call them in time, hand over the words."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import structlog

from coach.gateway.attempt import Attempt
from coach.gateway.breaker import Breaker, State
from coach.gateway.choice import Choice, choose
from coach.gateway.clients import Clients
from coach.gateway.draft import FAILURES, Call, Draft, Ledger, outcome_of
from coach.gateway.errors import (
    BudgetSpent,
    ContextTooLong,
    GatewayError,
    Killed,
    LedgerDown,
    ModelUnreached,
    NoRoute,
    RouteClosed,
)
from coach.gateway.plan import Plan, Used
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Role, Route, Stage, Tier
from coach.gateway.spare import HEDGE_RATIO, RETRY_RATIO, Spare
from coach.gateway.tokens import Count, counter
from coach.live.deadline import Deadline
from coach.ops import metrics
from safety.errors import GateClosed

log = structlog.get_logger(__name__)

LEDGER_S = 0.15
SHADOW_MS = 5000.0
SHORTER = 0.7
# Enough of a draft to know how sure the model is, and no more than the output gate holds back.
WEIGHED_TOKENS = 12
# These are no fault of the route's, and no server has seen the call.
UNSEEN = (ModelUnreached, RouteClosed, BudgetSpent)


class Gateway:
    """Routes with a client and a breaker each. Made on the loop that uses it.

    Without a ledger nothing is charged or logged, as for a model of one's own on the desk.
    """

    def __init__(self, plan: Plan, ledger: Ledger | None = None) -> None:
        self.plan = plan
        self._ledger = ledger
        self._breakers: dict[str, Breaker] = {}
        self._clients = Clients()
        self._retries, self._hedges = Spare(RETRY_RATIO), Spare(HEDGE_RATIO)
        self._since: Counter[str] = Counter()
        self._calls: dict[UUID, Call] = {}
        self._background: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._background:
            await asyncio.wait(self._background, timeout=2.0)
        await self._clients.close()

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
        return {route.name: self._breaker(route).state for route in self.plan.routes}

    def sessions(self) -> set[UUID]:
        """Sessions that have a call open now."""
        return {call.ask.session for call in self._calls.values()}

    def counter(self, role: Role) -> Count:
        """Counts tokens as the model does that will most likely be asked for this role."""
        return counter(next(iter(self.routes(role)), None))

    def heavier(self, ask: Ask, prompt: Prompt, tier: Tier) -> Route | None:
        """The route above this tier that would be asked now."""
        return next(iter(self._chosen(prompt, ask, tier).routes), None)

    def adopt(self, plan: Plan) -> None:
        """Go on by this plan; what runs against its switches stops now."""
        self.plan = plan
        self._since.clear()
        for call in self._calls.values():
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
        choice, prompt = self._choose(prompt, ask, above)
        self._retries.earn()
        self._hedges.earn()
        call = await self._first_words(choice, prompt, ask, first_by or deadline, deadline)
        draft = Draft(call, prompt, choice)
        outcome = "abandoned"
        try:
            yield draft
            outcome = "ok" if draft.body is not None else "abandoned"
        except (GatewayError, GateClosed, TimeoutError) as exc:
            outcome = outcome_of(exc)
            raise
        finally:
            await self._end(call, outcome)
        if (shadow := self.plan.shadow(ask.role, ask.session)) is not None:
            self._keep(self._ask_shadow(shadow, prompt, ask))

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
            admits=lambda route: self._breaker(route).state is not State.OPEN,
            used=self._used, above=above,
        )  # fmt: skip

    async def _first_words(
        self, choice: Choice, prompt: Prompt, ask: Ask, first_by: Deadline, deadline: Deadline
    ) -> Call:
        """The first route that answers, before anything was shown; raises the last one's error."""
        failure: GatewayError = NoRoute("no model is set up")
        for n, route in enumerate(choice.routes):
            if n and not isinstance(failure, UNSEEN) and not self._retries.take():
                break
            spare = choice.routes[n + 1 :]
            try:
                call = await self._raced(route, spare, choice, prompt, ask, first_by, deadline)
            except (Killed, LedgerDown):
                raise
            except ContextTooLong as exc:
                shorter = prompt.shorten(int(SHORTER * prompt.tokens))
                if shorter is None or not self._retries.take():
                    raise
                failure = exc
                call = await self._begin(route, choice, shorter, ask, first_by, deadline)
            except GatewayError as exc:
                failure = exc
                continue
            return await self._assured(call, prompt, ask, first_by, deadline)
        raise failure

    async def _raced(
        self,
        route: Route,
        spare: Sequence[Route],
        choice: Choice,
        prompt: Prompt,
        ask: Ask,
        first_by: Deadline,
        deadline: Deadline,
    ) -> Call:
        """This route's answer, or that of a second one asked when the first word is overdue."""
        limit = first_by.sooner_of_ms(route.first_ms) if spare else first_by
        first = self._begin(route, choice, prompt, ask, limit, deadline)
        if not route.hedge_ms:
            return await first
        other = spare[0] if spare else route
        racing = [asyncio.create_task(first)]
        winner: asyncio.Task[Call] | None = None
        try:
            done, _ = await asyncio.wait(racing, timeout=route.hedge_ms / 1000)
            if not done and self._hedges.take() and self._retries.take():
                second = self._begin(other, choice, prompt, ask, first_by, deadline)
                racing.append(asyncio.create_task(second))
            winner = await _first_good(racing)
            return winner.result()
        finally:
            for task in racing:
                if task is not winner:
                    self._keep(self._drop(task))

    async def _assured(
        self, call: Call, prompt: Prompt, ask: Ask, first_by: Deadline, deadline: Deadline
    ) -> Call:
        """The call itself, or one to a heavier route when this one is unsure and time allows."""
        route, confidence = call.attempt.route, call.attempt.confidence
        if route.least_confidence is None or confidence is None:
            return call
        if confidence >= route.least_confidence:
            return call
        try:
            choice = self._chosen(prompt, ask, route.tier)
            heavier = next(iter(choice.routes), None)
            if heavier is None or first_by.remaining_s() * 1000 < heavier.first_ms:
                metrics.ESCALATIONS.labels("no_time" if heavier else "no_route").inc()
                return call
            better = await self._begin(heavier, choice, prompt, ask, first_by, deadline)
        except GatewayError:
            metrics.ESCALATIONS.labels("failed").inc()
            call.attempt.still_going()
            return call
        except BaseException:
            await self._end(call, "abandoned")
            raise
        metrics.ESCALATIONS.labels("done").inc()
        await self._end(call, "unsure")
        return better

    async def _begin(
        self,
        route: Route,
        choice: Choice,
        prompt: Prompt,
        ask: Ask,
        first_by: Deadline,
        deadline: Deadline,
        *,
        shadow: bool = False,
    ) -> Call:
        """A call whose first tokens are there; charged before, and settled if it fails."""
        breaker = self._breaker(route)
        if not breaker.admit():
            raise RouteClosed(route.name)
        trial = choice.trial
        call = Call(
            ask, Attempt(route, prompt, ask, deadline), breaker,
            trial=trial.id if trial else None, arm=choice.arm(route), shadow=shadow,
        )  # fmt: skip
        self._calls[call.id] = call
        self._since[route.name] += prompt.tokens + route.max_tokens
        tokens = 1 if route.least_confidence is None else WEIGHED_TOKENS
        try:
            if self._ledger is not None:
                await self._ledger.reserve(call, timeout_s=min(LEDGER_S, deadline.remaining_s()))
            await call.attempt.begin(
                self._clients.create_of(route), first_by=first_by, tokens=tokens
            )
        except BaseException as exc:
            await self._end(call, outcome_of(exc))
            raise
        return call

    async def _drop(self, task: asyncio.Task[Call]) -> None:
        """Give up a call that lost its race, also one that began well in the same moment."""
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            await self._end(task.result(), "abandoned")

    async def _end(self, call: Call, outcome: str) -> None:
        """Close the call upstream and put it on the books, whatever else is going on."""
        call.outcome = outcome
        self._calls.pop(call.id, None)
        if outcome == "ok":
            call.breaker.succeeded()
        elif outcome in FAILURES:
            call.breaker.failed()
        else:
            call.breaker.abandoned()
        metrics.MODEL_CALLS.labels(call.attempt.route.name, outcome).inc()
        if self._ledger is not None:
            self._keep(self._ledger.settle(call))
        await call.attempt.close()

    async def _ask_shadow(self, route: Route, prompt: Prompt, ask: Ask) -> None:
        """Ask a route in the background what another one answered; nobody sees the words."""
        deadline = Deadline.after_ms(SHADOW_MS)
        choice = Choice((route,), ("shadow",))
        try:
            call = await self._begin(route, choice, prompt, ask, deadline, deadline, shadow=True)
        except GatewayError:
            return
        outcome = "abandoned"
        try:
            draft = Draft(call, prompt, choice)
            async for _ in draft:
                pass
            outcome = "ok"
        except GatewayError as exc:
            outcome = outcome_of(exc)
        finally:
            await self._end(call, outcome)

    def _used(self, route: Route) -> Used:
        known = self.plan.used.get(route.name, Used())
        return Used(known.tokens + self._since[route.name], known.requests)

    def _breaker(self, route: Route) -> Breaker:
        return self._breakers.setdefault(route.name, Breaker())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _first_good(racing: Sequence[asyncio.Task[Call]]) -> asyncio.Task[Call]:
    """The first call that began well, else the last one to fail."""
    waiting = set(racing)
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled() and task.exception() is None:
                return task
        if not waiting:
            return done.pop()

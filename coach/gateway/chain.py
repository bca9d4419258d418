"""The calls of one draft: route after route before the first word, each charged and closed."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from coach.gateway.attempt import Attempt
from coach.gateway.breaker import Breaker
from coach.gateway.choice import Choice
from coach.gateway.clients import Clients
from coach.gateway.draft import FAILURES, Call, Ledger, outcome_of
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
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Route, Tier
from coach.gateway.spare import HEDGE_RATIO, RETRY_RATIO, Spare
from coach.live.deadline import Deadline
from coach.ops import genai, metrics

LEDGER_S = 0.15
SETTLE_S = 2.0
SHORTER = 0.7
# Enough of a draft to know how sure the model is, and no more than the output gate holds back.
WEIGHED_TOKENS = 12
# With less time than this another call would only be cut off.
LEAST_MS = 50
# These are no fault of the route's, and no server has seen the call.
UNSEEN = (ModelUnreached, RouteClosed, BudgetSpent)


@dataclass(frozen=True)
class Order:
    """One draft as it was asked for, and the routes that may write it."""

    prompt: Prompt
    ask: Ask
    choice: Choice
    first_by: Deadline
    deadline: Deadline
    chosen_ms: float = 0.0


class Chain:
    """Breakers, clients and spare calls of one worker, and the calls that are open.

    `heavier` chooses anew for a prompt, from the routes above a tier.
    """

    def __init__(
        self, ledger: Ledger | None, heavier: Callable[[Prompt, Ask, Tier], Choice]
    ) -> None:
        self.open: dict[UUID, Call] = {}
        self.asked: Counter[str] = Counter()
        self._ledger = ledger
        self._heavier = heavier
        self._breakers: dict[str, Breaker] = {}
        self._clients = Clients()
        self._retries, self._hedges = Spare(RETRY_RATIO), Spare(HEDGE_RATIO)
        self._background: set[asyncio.Task[None]] = set()

    async def settled(self) -> None:
        """Wait, but not for ever, for what runs beside the drafts: books, losers, shadows."""
        while self._background:
            _, late = await asyncio.wait(set(self._background), timeout=SETTLE_S)
            if late:
                return

    async def close(self) -> None:
        await self.settled()
        await self._clients.close()

    async def first_words(self, order: Order) -> Call:
        """The first route that answers, before anything was shown; raises the last one's error."""
        self._retries.earn()
        self._hedges.earn()
        failure: GatewayError = NoRoute("no model is set up")
        routes = order.choice.routes
        for n, route in enumerate(routes):
            if n and not (isinstance(failure, UNSEEN) or self._may_try_again(order)):
                break
            try:
                call = await self._raced(route, routes[n + 1 :], order)
            except (Killed, LedgerDown):
                raise
            except ContextTooLong:
                shorter = order.prompt.shorten(int(SHORTER * order.prompt.tokens))
                if shorter is None or not self._may_try_again(order):
                    raise
                order = replace(order, prompt=shorter)
                call = await self.begin(route, order)
            except GatewayError as exc:
                failure = exc
                continue
            return await self._assured(call, order)
        raise failure

    def _may_try_again(self, order: Order) -> bool:
        """Whether another call may still be made, and could be answered in time."""
        return order.first_by.remaining_s() * 1000 > LEAST_MS and self._retries.take()

    async def _raced(self, route: Route, spare: Sequence[Route], order: Order) -> Call:
        """This route's answer, or that of a second one asked when the first word is overdue."""
        in_time = replace(order, first_by=order.first_by.sooner_of_ms(route.first_ms))
        first = self.begin(route, in_time if spare else order)
        if not route.hedge_ms:
            return await first
        racing = [asyncio.create_task(first)]
        winner: asyncio.Task[Call] | None = None
        try:
            done, _ = await asyncio.wait(racing, timeout=route.hedge_ms / 1000)
            if not done and self._hedges.take() and self._may_try_again(order):
                other = spare[0] if spare else route
                racing.append(asyncio.create_task(self.begin(other, order)))
            winner = await _first_good(racing)
            return winner.result()
        finally:
            for task in racing:
                if task is not winner:
                    self.keep(self._drop(task))

    async def _assured(self, call: Call, order: Order) -> Call:
        """The call itself, or one to a heavier route when this one is unsure and time allows."""
        route, confidence = call.attempt.route, call.attempt.confidence
        if route.least_confidence is None or confidence is None:
            return call
        if confidence >= route.least_confidence:
            return call
        choice = self._heavier(order.prompt, order.ask, route.tier)
        heavier = next(iter(choice.routes), None)
        if heavier is None or order.first_by.remaining_s() * 1000 < heavier.first_ms:
            metrics.ESCALATIONS.labels("no_time" if heavier else "no_route").inc()
            return call
        try:
            better = await self.begin(heavier, replace(order, choice=choice))
        except GatewayError:
            metrics.ESCALATIONS.labels("failed").inc()
            call.attempt.still_going()
            return call
        except BaseException:
            await self.end(call, "abandoned")
            raise
        metrics.ESCALATIONS.labels("done").inc()
        await self.end(call, "unsure")
        return better

    async def begin(self, route: Route, order: Order, *, shadow: bool = False) -> Call:
        """A call whose first tokens are there; charged before, and settled if it fails."""
        breaker, prompt, trial = self.breaker(route), order.prompt, order.choice.trial
        if not breaker.admit():
            raise RouteClosed(route.name)
        call = Call(
            order.ask, Attempt(route, prompt, order.ask, order.deadline), breaker,
            trial=trial.id if trial else None, arm=order.choice.arm(route), shadow=shadow,
        )  # fmt: skip
        self.open[call.id] = call
        call.span = genai.began(call)
        begun = time.perf_counter()
        self.asked[route.name] += prompt.tokens + route.max_tokens
        tokens = 1 if route.least_confidence is None else WEIGHED_TOKENS
        try:
            if self._ledger is not None:
                limit_s = order.deadline.at_most_s(LEDGER_S)
                await self._ledger.reserve(call, timeout_s=limit_s)
            reserved_ms = (time.perf_counter() - begun) * 1000
            metrics.ROUTING.observe(order.chosen_ms + reserved_ms)
            await call.attempt.begin(
                self._clients.create_of(route), first_by=order.first_by, tokens=tokens
            )
        except BaseException as exc:
            await self.end(call, outcome_of(exc))
            raise
        return call

    async def _drop(self, task: asyncio.Task[Call]) -> None:
        """Give up a call that lost its race, also one that began well in the same moment."""
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            await self.end(task.result(), "abandoned")

    async def end(self, call: Call, outcome: str) -> None:
        """Close the call upstream and put it on the books, whatever else is going on."""
        call.outcome = outcome
        self.open.pop(call.id, None)
        if outcome == "ok":
            call.breaker.succeeded()
        elif outcome in FAILURES:
            call.breaker.failed()
        else:
            call.breaker.abandoned()
        genai.ended(call, call.span)
        if self._ledger is not None:
            self.keep(self._ledger.settle(call))
        await call.attempt.close()

    def breaker(self, route: Route) -> Breaker:
        return self._breakers.setdefault(route.name, Breaker())

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
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

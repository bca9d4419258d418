"""Which routes may answer, in which order, and why: one function, and its words for the trace."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coach.gateway.plan import Plan, Trial, Used
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Role, Route, Stage, Tier

STEP_DOWN_SHARE = 0.7


@dataclass(frozen=True)
class Choice:
    """Routes in the order they are tried; `why` names what was passed over and for what."""

    routes: tuple[Route, ...]
    why: tuple[str, ...]
    trial: Trial | None = None

    def arm(self, route: Route) -> str:
        """The side of a trial that a call to this route counts for; "" without one."""
        if self.trial is None:
            return ""
        return "candidate" if route.name == self.trial.candidate else "control"


def choose(
    plan: Plan,
    ask: Ask,
    prompt: Prompt,
    *,
    admits: Callable[[Route], bool],
    used: Callable[[Route], Used],
    above: Tier | None = None,
) -> Choice:
    """The lightest route that can do it first; empty when none can.

    Capability, context, volume and breaker take routes out or put them last; a trial puts its
    candidate first. `above` asks for a heavier route than that tier, and then no trial counts.
    """
    why: list[str] = []
    able, full = [], []
    for route in sorted(plan.routes, key=_lightest_first):
        need = prompt.tokens + route.max_tokens
        if route.stage not in (Stage.PRODUCTION, Stage.DEPRECATED):
            continue
        if ask.role not in route.roles or (above is not None and route.tier.rank <= above.rank):
            continue
        if lacks := _lacks(route, ask, need):
            why.append(f"{route.name}: {lacks}")
        elif not admits(route):
            why.append(f"{route.name}: breaker open")
        elif (share := _share(route, used(route), need)) > STEP_DOWN_SHARE:
            why.append(f"{route.name}: {share:.0%} of its volume this minute")
            if share <= 1:
                full.append(route)
        else:
            able.append(route)
    routes = [*able, *full]
    trial = plan.trial(ask.role) if above is None else None
    if trial is not None and trial.holds(ask.session):
        routes = _with_candidate(plan.route(trial.candidate), routes, ask, prompt, admits, used)
        why.append(f"{trial.candidate}: {trial.kind} {trial.name}, {trial.percent} %")
    if routes:
        why.append(f"{routes[0].name}: {routes[0].tier}, first of {len(routes)}")
    return Choice(tuple(routes), tuple(why), trial)


def _lightest_first(route: Route) -> tuple[bool, int, int]:
    return route.stage is Stage.DEPRECATED, route.tier.rank, route.order


def _lacks(route: Route, ask: Ask, need: int) -> str:
    """What this route cannot do that is needed, in words; "" when it can do all."""
    if ask.role is Role.STRUCTURED and not route.structured:
        return "no JSON schema"
    if route.languages and ask.language and ask.language not in route.languages:
        return f"does not speak {ask.language}"
    if need > route.context_tokens:
        return f"context of {route.context_tokens} tokens, {need} needed"
    return ""


def _share(route: Route, used: Used, need: int) -> float:
    """How much of a minute's volume would be used with this request; 0 without a limit."""
    tokens = (used.tokens + need) / route.tokens_per_minute if route.tokens_per_minute else 0.0
    requests = (used.requests + 1) / route.requests_per_minute if route.requests_per_minute else 0.0
    return max(tokens, requests)


def _with_candidate(
    candidate: Route | None,
    routes: Sequence[Route],
    ask: Ask,
    prompt: Prompt,
    admits: Callable[[Route], bool],
    used: Callable[[Route], Used],
) -> list[Route]:
    """The candidate before the others, or left out when it may not be called now."""
    rest = [route for route in routes if candidate is None or route.name != candidate.name]
    if candidate is None or not admits(candidate):
        return rest
    need = prompt.tokens + candidate.max_tokens
    fit = not _lacks(candidate, ask, need) and _share(candidate, used(candidate), need) <= 1
    return [candidate, *rest] if fit else rest

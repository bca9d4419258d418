"""Where the plan comes from: the registry in the database, one file to seed it, the environment."""

import os
import tomllib
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from coach.database import Database
from coach.gateway.plan import Kind, Plan, Switches, Trial, Used
from coach.gateway.routes import FIRST_MS, STALL_MS, Engine, Role, Route, Stage, Tier

SEED_FILE = Path(__file__).parent / "routes.toml"

PLAN = """
SELECT
    (SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM gateway_registeredroute r
     WHERE r.stage NOT IN ('discovery', 'retired')),
    (SELECT coalesce(jsonb_agg(jsonb_build_array(t.id, t.name, t.kind, t.role, r.name, t.percent)
                               ORDER BY t.id), '[]')
     FROM gateway_trial t JOIN gateway_registeredroute r ON r.id = t.candidate_id
     WHERE t.state = 'running' AND r.stage NOT IN ('discovery', 'retired')),
    ARRAY(SELECT feature FROM gateway_switch WHERE killed),
    ARRAY(SELECT id FROM coach_organisation WHERE killed),
    ARRAY(SELECT id FROM coach_session WHERE killed AND id = ANY(%(sessions)s)),
    (SELECT coalesce(jsonb_object_agg(route, jsonb_build_array(tokens, calls)), '{}')
     FROM (SELECT route, sum(tokens_in + tokens_out) AS tokens, count(*) AS calls
           FROM gateway_modelcall WHERE at > now() - interval '60 s' GROUP BY route) AS minute)
"""


async def read_plan(
    database: Database, *, sessions: Collection[UUID] = (), timeout_s: float
) -> Plan:
    """What holds now; `sessions` are those whose own switch matters. Raises DatabaseError."""
    rows = await database.fetch(PLAN, {"sessions": list(sessions)}, timeout_s=timeout_s)
    routes, trials, features, organisations, killed_sessions, used = rows[0]
    return Plan(
        routes=(*routes_from_environment(), *(_route(row) for row in routes)),
        trials=tuple(
            Trial(id_, name, Kind(kind), Role(role), candidate, percent)
            for id_, name, kind, role, candidate, percent in trials
        ),
        switches=Switches(
            everywhere="" in features,
            features=frozenset(features),
            organisations=frozenset(organisations),
            sessions=frozenset(killed_sessions),
        ),
        used={name: Used(tokens, calls) for name, (tokens, calls) in used.items()},
    )


def routes_from_environment() -> tuple[Route, ...]:
    """The one route that `LLM_BASE_URL` and its like describe, before all registered ones."""
    env = settings.ENV
    if not env.llm_base_url:
        return ()
    return (
        Route(
            name="default",
            base_url=env.llm_base_url,
            model=env.llm_model,
            api_key=env.llm_api_key.get_secret_value(),
            tier=Tier.ULTRA_LIGHT,
            order=-1,
            engine=Engine(env.llm_engine),
            structured=env.llm_structured,
            tokenizer=env.llm_tokenizer,
            context_tokens=env.llm_context_tokens,
            first_ms=round(FIRST_MS * env.patience),
            stall_ms=round(STALL_MS * env.patience),
        ),
    )


def seed(path: Path = SEED_FILE) -> list[str]:
    """Register the file's routes that are not there yet; gives their names.

    What was edited since stays. Raises OSError, and ValueError naming the route that is off.
    """
    from django.core.exceptions import ValidationError

    from coach.gateway.models import RegisteredRoute

    with path.open("rb") as file:
        tables: Mapping[str, Mapping[str, Any]] = tomllib.load(file)
    made = []
    for name, fields in tables.items():
        if RegisteredRoute.objects.filter(name=name).exists():
            continue
        try:
            row = RegisteredRoute(name=name, **fields)
            row.full_clean()
        except (TypeError, ValidationError) as exc:
            raise ValueError(f"{name}: {exc}") from exc
        row.save()
        made.append(name)
    return made


def _route(row: Mapping[str, Any]) -> Route:
    return Route(
        name=row["name"],
        base_url=row["base_url"],
        model=row["model"],
        api_key=os.environ.get(row["key_variable"], "") if row["key_variable"] else "",
        roles=frozenset(row["roles"]),
        tier=Tier(row["tier"]),
        stage=Stage(row["stage"]),
        order=row["order"],
        engine=Engine(row["engine"]),
        structured=row["structured"],
        logprobs=row["logprobs"],
        languages=frozenset(row["languages"]),
        context_tokens=row["context_tokens"],
        max_tokens=row["max_tokens"],
        tokenizer=row["tokenizer"],
        price_in=Decimal(str(row["price_in"])),
        price_out=Decimal(str(row["price_out"])),
        tokens_per_minute=row["tokens_per_minute"],
        requests_per_minute=row["requests_per_minute"],
        first_ms=row["first_ms"],
        stall_ms=row["stall_ms"],
        hedge_ms=row["hedge_ms"],
        least_confidence=row["least_confidence"],
    )

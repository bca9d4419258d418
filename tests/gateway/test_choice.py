import uuid
from collections.abc import Mapping
from dataclasses import replace

from coach.gateway.choice import Choice, choose
from coach.gateway.plan import Kind, Plan, Trial, Used
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Role, Route, Stage, Tier

SMALL = Route("small", "http://small/v1", "s", tier=Tier.LIGHT, context_tokens=2048)
LARGE = Route("large", "http://large/v1", "l", tier=Tier.HEAVY, context_tokens=16384)
ASK = Ask(uuid.uuid4(), uuid.uuid4())
SHORT = Prompt((), 1, tokens=500)
LONG = Prompt((), 1, tokens=5000)


def chosen(
    *routes: Route,
    ask: Ask = ASK,
    prompt: Prompt = SHORT,
    used: Mapping[str, Used] | None = None,
    closed: tuple[str, ...] = (),
    above: Tier | None = None,
    trials: tuple[Trial, ...] = (),
) -> Choice:
    return choose(
        Plan(routes, trials), ask, prompt,
        admits=lambda route: route.name not in closed,
        used=lambda route: (used or {}).get(route.name, Used()), above=above,
    )  # fmt: skip


def names(choice: Choice) -> list[str]:
    return [route.name for route in choice.routes]


def test_a_simple_turn_goes_to_the_small_model_first():
    assert names(chosen(LARGE, SMALL)) == ["small", "large"]


def test_a_long_history_steps_to_the_long_context_and_says_so():
    choice = chosen(SMALL, LARGE, prompt=LONG)
    assert names(choice) == ["large"]
    assert "small: context of 2048 tokens, 5160 needed" in choice.why


def test_structured_work_needs_a_route_that_takes_a_schema():
    free = replace(SMALL, structured=False, roles=frozenset({Role.STRUCTURED}))
    able = replace(LARGE, roles=frozenset({Role.STRUCTURED}))
    ask = replace(ASK, role=Role.STRUCTURED)
    assert names(chosen(free, able, ask=ask)) == ["large"]


def test_a_route_serves_only_its_roles_and_languages():
    talker = replace(SMALL, roles=frozenset({Role.NUDGE}))
    assert names(chosen(talker, LARGE, ask=replace(ASK, role=Role.REASONING))) == ["large"]
    english = replace(SMALL, languages=frozenset({"en"}))
    assert names(chosen(english, LARGE, ask=replace(ASK, language="de"))) == ["large"]


def test_over_seventy_percent_of_its_volume_a_route_steps_down_and_over_all_of_it_out():
    limited = replace(SMALL, tokens_per_minute=10_000)
    need = SHORT.tokens + limited.max_tokens

    def order(tokens: int) -> list[str]:
        return names(chosen(limited, LARGE, used={"small": Used(tokens, 1)}))

    assert order(7000 - need) == ["small", "large"]
    assert order(7001 - need) == ["large", "small"]
    assert order(10_001 - need) == ["large"]


def test_requests_a_minute_count_as_tokens_do():
    limited = replace(SMALL, requests_per_minute=10)
    assert names(chosen(limited, LARGE, used={"small": Used(0, 6)})) == ["small", "large"]
    assert names(chosen(limited, LARGE, used={"small": Used(0, 7)})) == ["large", "small"]


def test_an_open_breaker_takes_a_route_out():
    assert names(chosen(SMALL, LARGE, closed=("small",))) == ["large"]


def test_only_live_stages_answer_and_deprecated_ones_last():
    old = replace(SMALL, name="old", stage=Stage.DEPRECATED)
    hidden = [replace(SMALL, name=s.value, stage=s) for s in Stage
              if s not in (Stage.PRODUCTION, Stage.DEPRECATED)]  # fmt: skip
    assert names(chosen(old, *hidden, LARGE)) == ["large", "old"]


def test_asking_above_a_tier_leaves_only_heavier_routes():
    assert names(chosen(SMALL, LARGE, above=Tier.LIGHT)) == ["large"]
    assert names(chosen(SMALL, LARGE, above=Tier.HEAVY)) == []


def trial(percent: int, **fields) -> Trial:
    return replace(Trial(1, "try", Kind.CANARY, Role.NUDGE, "new", percent), **fields)


NEW = Route("new", "http://new/v1", "n", stage=Stage.TESTING)


def test_a_session_stays_on_its_side_of_a_trial_and_sides_have_their_share():
    running = trial(10)
    sessions = [uuid.uuid4() for _ in range(5000)]
    held = [s for s in sessions if running.holds(s)]
    assert 0.08 < len(held) / len(sessions) < 0.12
    assert all(running.holds(s) for s in held)
    # Widening keeps those who are in it.
    assert all(trial(30).holds(s) for s in held)


def test_the_candidate_comes_first_for_its_share_and_both_sides_are_counted():
    inside = chosen(SMALL, NEW, trials=(trial(100),))
    assert names(inside) == ["new", "small"]
    assert [inside.arm(route) for route in inside.routes] == ["candidate", "control"]
    outside = chosen(SMALL, NEW, trials=(trial(0),))
    assert names(outside) == ["small"]
    assert outside.arm(SMALL) == "control"


def test_a_trial_has_no_part_in_a_second_opinion_and_a_shadow_none_in_the_order():
    assert chosen(SMALL, LARGE, NEW, above=Tier.LIGHT, trials=(trial(100),)).trial is None
    assert names(chosen(SMALL, NEW, trials=(trial(100, kind=Kind.SHADOW),))) == ["small"]

import random
import uuid
from collections import Counter
from dataclasses import replace

import pytest

from coach.gateway.errors import GatewayError
from coach.gateway.ledger import PostgresLedger
from coach.gateway.models import ModelCall, RegisteredRoute
from coach.gateway.models import Trial as TrialRow
from coach.gateway.plan import Kind, Trial
from coach.gateway.registry import read_plan
from coach.gateway.routes import Role, Stage
from coach.gateway.trials import Tally, judge
from tests.gateway.conftest import at, words
from tests.scripted_model import Answer, says

GOOD = Tally(calls=100, failed=1, broken=0, gated=2, first_ms=120.0, judged=50, rejected=10)


@pytest.mark.parametrize(
    "worse",
    [
        {"failed": 40}, {"broken": 30}, {"gated": 45}, {"first_ms": 400.0}, {"rejected": 45},
    ],
    ids=lambda w: next(iter(w)),
)  # fmt: skip
def test_a_candidate_that_is_clearly_worse_must_stop(worse):
    assert judge(GOOD, replace(GOOD, **worse))


@pytest.mark.parametrize(
    "other",
    [
        {}, {"failed": 0, "first_ms": 20.0, "rejected": 0}, {"failed": 4}, {"first_ms": 190.0},
        {"calls": 4, "failed": 4, "judged": 0}, {"first_ms": None, "judged": 0, "rejected": 0},
        {"judged": 4, "rejected": 4},
    ],
    ids=["equal", "better", "a little worse", "a little slower", "few calls", "nothing measured",
         "few judged"],
)  # fmt: skip
def test_without_proof_it_goes_on(other):
    assert judge(GOOD, replace(GOOD, **other)) == ""


def test_missing_data_never_stops_a_trial():
    assert judge(Tally(), replace(GOOD, failed=100)) == ""
    assert judge(GOOD, Tally()) == ""


def test_equal_routes_are_hardly_ever_taken_for_unequal_though_looked_at_after_every_call():
    chance = random.Random(11)
    alarms = 0
    for _ in range(300):
        bad = [0, 0]
        for n in range(1, 201):
            bad = [b + (chance.random() < 0.1) for b in bad]
            if judge(Tally(n, failed=bad[0]), Tally(n, failed=bad[1])):
                alarms += 1
                break
    assert alarms <= 3


@pytest.fixture
def canary(model, other):
    """A running canary in the registry: `old` serves, `new` gets half of the sessions."""
    unique = uuid.uuid4().hex[:8]
    old, new = (
        RegisteredRoute.objects.create(
            name=f"{name}-{unique}", base_url=server.url, model=name, roles=["safety"], stage=stage
        )
        for name, server, stage in (
            ("old", model, Stage.PRODUCTION), ("new", other, Stage.TESTING)
        )
    )  # fmt: skip
    trial = TrialRow.objects.create(
        name=f"canary-{unique}", role=Role.SAFETY, candidate=new, percent=50, state="running"
    )
    yield trial
    trial.delete()
    old.delete()
    new.delete()


async def play(open_gateway, live, ask, trial: TrialRow, requests: int) -> Counter[str]:
    """Requests of as many sessions, the plan read anew before each; counts who answered."""
    gateway = await open_gateway(ledger=PostgresLedger(live))
    by: Counter[str] = Counter()
    for _ in range(requests):
        gateway.adopt(await read_plan(live, timeout_s=2))
        one = replace(ask, session=uuid.uuid4(), role=Role.SAFETY)
        try:
            by[(await words(gateway, one))[1]] += 1
        except GatewayError:
            by["failed"] += 1
        await gateway.settled()
    trial.refresh_from_db()
    return by


async def wrong(answer: Answer) -> None:
    await answer.delta('{"text": "no nudge here"}')
    await answer.delta(None, "stop")
    await answer.end()


async def test_a_planted_regression_stops_itself_within_fifty_requests(
    open_gateway, model, other, live, ask, canary
):
    other.script = wrong
    await play(open_gateway, live, ask, canary, 90)
    assert canary.state == "aborted"
    assert canary.reason.startswith("broken")
    asked = ModelCall.objects.filter(trial_id=canary.id, arm="candidate").count()
    assert 5 <= asked <= 50
    assert asked == len(other.raw)


async def test_a_planted_improvement_is_never_widened_by_itself(
    open_gateway, model, other, live, ask, canary
):
    model.script = says("What now?", pause_s=0.01)
    other.script = says("What would done look like?")
    by = await play(open_gateway, live, ask, canary, 90)
    assert (canary.state, canary.percent) == ("running", 50)
    assert 25 <= by[canary.candidate.name] <= 65


async def test_a_shadow_that_fails_disturbs_nobody(open_gateway, model, other, live, ask):
    other.script = wrong
    shadow = Trial(1, "shadow", Kind.SHADOW, Role.NUDGE, "new", 100)
    gateway = await open_gateway(
        at(model), at(other, "new", stage=Stage.SHADOW),
        ledger=PostgresLedger(live), trials=(shadow,),
    )  # fmt: skip
    for _ in range(5):
        assert (await words(gateway, ask))[1] == "default"
    await gateway.settled()
    rows = ModelCall.objects.filter(session_id=ask.session, shadow=True)
    assert {row.outcome for row in rows} == {"model_broken"}

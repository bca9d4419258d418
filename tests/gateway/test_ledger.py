"""Money: reserved before, settled after, by one book for all workers."""

import asyncio
import contextlib
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from coach import tenancy
from coach.database import Database
from coach.gateway.errors import BudgetSpent, Killed, LedgerDown, ModelDown
from coach.gateway.ledger import PostgresLedger
from coach.gateway.models import Budget, ModelCall, Spend, Switch
from coach.gateway.prompt import Prompt
from coach.live.deadline import Deadline
from coach.models import Organisation
from tests.gateway.conftest import at, words
from tests.scripted_model import Answer

# 100 tokens in at 10 and up to 160 out at 100 a million: 17,000 millionths reserved.
PRICES: dict[str, Any] = {"price_in": Decimal(10), "price_out": Decimal(100)}
RESERVED = 100 * 10 + 160 * 100


async def used(answer: Answer) -> None:
    """An answer of 20 tokens to a prompt of 90, as the server counts them."""
    await answer.delta('{"nudge": "What would done look like?", "cites": [1]}')
    await answer.delta(None, "stop")
    await answer.send(
        b'data: {"choices": [], "usage": {"prompt_tokens": 90, "completion_tokens": 20}}\n\n'
    )
    await answer.end()


ACTUAL = 90 * 10 + 20 * 100


async def settled(session: uuid.UUID, calls: int) -> list[ModelCall]:
    """The session's calls, once all of them are settled."""
    for _ in range(200):
        rows = list(ModelCall.objects.filter(session_id=session).order_by("at"))
        if len(rows) == calls and all(row.settled_at for row in rows):
            return rows
        await asyncio.sleep(0.01)
    raise AssertionError(f"{calls} settled calls, not {rows}")


async def test_a_call_is_on_the_books_with_what_it_really_cost(open_gateway, model, live, ask):
    model.script = used
    gateway = await open_gateway(at(model, **PRICES), ledger=PostgresLedger(live))
    await words(gateway, replace(ask, member=uuid.uuid4(), utterance=uuid.uuid4()))
    (call,) = await settled(ask.session, 1)
    assert (call.outcome, call.tokens_in, call.tokens_out, call.micros) == ("ok", 90, 20, ACTUAL)
    assert (call.first_ms or 0) <= (call.total_ms or 0) > 0


async def test_a_call_that_no_server_took_costs_nothing(open_gateway, model, live, ask, tenant):
    Budget.objects.create(organisation=tenant, per_day=1)

    async def refuse(answer: Answer) -> None:
        await answer.refuse(500)

    model.script = refuse
    gateway = await open_gateway(at(model, **PRICES), ledger=PostgresLedger(live))
    with pytest.raises(ModelDown):
        await words(gateway, ask)
    (call,) = await settled(ask.session, 1)
    assert (call.outcome, call.micros) == ("model_unavailable", 0)
    assert Spend.objects.get(organisation=tenant).micros == 0


@pytest.mark.parametrize("period", ["per_session", "per_day", "per_month"])
async def test_a_spent_budget_refuses_before_the_call(
    open_gateway, model, live, ask, tenant, period
):
    # Four calls at their real price, and not the reservation of a fifth.
    most = Decimal(3 * ACTUAL + RESERVED) / 10**6
    Budget.objects.create(organisation=tenant, **{period: most})
    model.script = used
    gateway = await open_gateway(at(model, **PRICES), ledger=PostgresLedger(live))
    for n in range(4):
        await words(gateway, ask)
        await settled(ask.session, n + 1)
    with pytest.raises(BudgetSpent):
        await words(gateway, ask)
    assert len(model.raw) == 4
    assert Spend.objects.get(organisation=tenant).micros == 4 * ACTUAL


async def test_what_the_dear_route_may_not_cost_the_cheaper_one_may(
    open_gateway, model, other, live, ask, tenant
):
    Budget.objects.create(organisation=tenant, per_session=Decimal("0.001"))
    dear, free = at(model, "dear", **PRICES), at(other, "free", order=1)
    gateway = await open_gateway(dear, free, ledger=PostgresLedger(live))
    for _ in range(3):
        assert (await words(gateway, ask))[1] == "free"
    assert model.raw == []


async def test_two_workers_racing_for_the_last_money_never_overshoot(
    open_gateway, model, live, ask, tenant
):
    calls = 20
    most = calls * RESERVED + RESERVED // 2
    Budget.objects.create(organisation=tenant, per_day=Decimal(most) / 10**6)

    async def dear(answer: Answer) -> None:
        await asyncio.sleep(0.05)
        await answer.delta('{"nudge": "What would done look like?", "cites": [1]}')
        await answer.delta(None, "stop")
        await answer.send(
            b'data: {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 160}}\n\n'
        )
        await answer.end()

    model.script = dear
    second = Database("default")
    await second.open()
    try:
        workers = [
            await open_gateway(at(model, **PRICES), ledger=PostgresLedger(database))
            for database in (live, second)
        ]
        ended = await asyncio.gather(
            *(
                words(workers[n % 2], replace(ask, session=uuid.uuid4()), milliseconds=5000)
                for n in range(60)
            ),
            return_exceptions=True,
        )
        await asyncio.sleep(0.3)
    finally:
        await second.close()
    refused = [e for e in ended if isinstance(e, BudgetSpent)]
    made = [e for e in ended if isinstance(e, tuple)]
    # A reservation may come too late for the ledger's own limit; it is never made after all.
    assert len(made) + len(refused) + sum(isinstance(e, LedgerDown) for e in ended) == 60
    assert len(made) <= calls
    assert Spend.objects.get(organisation=tenant).micros <= most


async def test_four_fifths_of_a_budget_and_its_end_are_told_once_each(
    open_gateway, model, live, ask, tenant
):
    Budget.objects.create(organisation=tenant, per_session=Decimal(10 * RESERVED) / 10**6)
    told = []

    async def tell(news) -> None:
        told.append((news.period, news.percent))

    async def whole(answer: Answer) -> None:
        await answer.delta('{"nudge": "What would done look like?", "cites": [1]}')
        await answer.delta(None, "stop")
        await answer.send(
            b'data: {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 160}}\n\n'
        )
        await answer.end()

    model.script = whole
    gateway = await open_gateway(at(model, **PRICES), ledger=PostgresLedger(live, tell))
    for n in range(10):
        await words(gateway, ask)
        await settled(ask.session, n + 1)
    assert told == [("session", 80)]
    for _ in range(3):
        with pytest.raises(BudgetSpent):
            await words(gateway, ask)
    assert told == [("session", 80), ("session", 100)]


async def test_each_switch_is_asked_before_each_call(open_gateway, model, live, ask, tenant):
    gateway = await open_gateway(at(model), ledger=PostgresLedger(live))
    await words(gateway, ask)
    tenant.killed = True
    tenant.save()
    with pytest.raises(Killed):
        await words(gateway, ask)
    tenant.killed = False
    tenant.save()
    switch = Switch.objects.create(feature=ask.role)
    try:
        with pytest.raises(Killed):
            await words(gateway, ask)
        switch.killed = False
        switch.save()
        await words(gateway, ask)
    finally:
        switch.delete()
    assert len(model.raw) == 2


async def test_without_its_ledger_no_call_is_made(open_gateway, model, ask):
    gateway = await open_gateway(at(model), ledger=PostgresLedger(Database("default")))
    for _ in range(6):
        with pytest.raises(LedgerDown):
            await words(gateway, ask)
    assert model.raw == []
    # The route is as good as before.
    assert gateway.states() == {"default": "closed"}


async def test_calls_of_a_worker_that_died_are_closed_at_what_was_reserved(
    open_gateway, model, live, ask
):
    from django.db import connection

    ledger = PostgresLedger(live)
    gateway = await open_gateway(at(model, **PRICES), ledger=ledger)
    await words(gateway, ask)
    await settled(ask.session, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE gateway_modelcall SET settled_at = NULL, micros = %s,"
            " at = at - interval '2 min' WHERE session_id = %s",
            [RESERVED, ask.session],
        )
    await ledger.sweep()
    (call,) = await settled(ask.session, 1)
    assert (call.outcome, call.micros) == ("lost", RESERVED)


async def test_giving_up_is_settled_too(open_gateway, model, live, ask):
    async def slow(answer: Answer) -> None:
        await answer.delta('{"nudge": "What')
        await asyncio.sleep(30)

    model.script = slow
    gateway = await open_gateway(at(model, **PRICES), ledger=PostgresLedger(live))
    prompt = Prompt(({"role": "user", "content": "u"},), 1, tokens=100)
    async with gateway.draft(prompt, ask, deadline=Deadline.after_ms(5000)) as draft:
        async for _ in draft:
            break
    (call,) = await settled(ask.session, 1)
    assert (call.outcome, call.tokens_in, call.tokens_out) == ("abandoned", 100, 1)


async def test_calls_of_two_tenants_in_the_same_moment_are_both_charged_and_settled(
    open_gateway, model, live, ask, tenant
):
    other = Organisation.objects.create(name="Other", slug=f"other-{uuid.uuid4().hex[:8]}")
    asks = [
        replace(ask, organisation=whose.id, session=uuid.uuid4())
        for whose in (tenant, other)
        for _ in range(5)
    ]
    model.script = used
    gateway = await open_gateway(at(model, **PRICES), ledger=PostgresLedger(live))

    async def of_its_own(asked):
        with tenancy.acting(tenancy.of([asked.organisation], actor="test")):
            for _ in range(10):
                # On a busy machine the books may be later than a call would wait for them.
                with contextlib.suppress(LedgerDown):
                    return await words(gateway, asked, milliseconds=5000)
        raise AssertionError("never on the books")

    await asyncio.gather(*(of_its_own(asked) for asked in asks))
    await gateway.settled()
    for asked in asks:
        calls = list(ModelCall.objects.filter(session_id=asked.session))
        assert all(call.settled_at for call in calls)
        assert {call.organisation_id for call in calls} == {asked.organisation}
        assert sum(call.micros for call in calls) == ACTUAL


async def test_a_call_that_the_books_refuse_spoils_none_that_came_with_it(
    open_gateway, model, live, ask
):
    # A route's name longer than its column.
    model.script = used
    ledger = PostgresLedger(live)
    good = await open_gateway(at(model, **PRICES), ledger=ledger)
    bad = await open_gateway(at(model, "x" * 1000), ledger=ledger)
    ended = await asyncio.gather(
        *(words(gateway, ask, milliseconds=5000) for gateway in (good, bad, good)),
        return_exceptions=True,
    )
    assert isinstance(ended[1], LedgerDown)
    assert not isinstance(ended[0], BaseException)
    assert not isinstance(ended[2], BaseException)

"""Scripted models at the wire, tenants of their own, and the road's own way into PostgreSQL."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from coach.database import Database
from coach.gateway.gateway import Gateway
from coach.gateway.plan import Plan
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Route
from coach.live.deadline import Deadline
from coach.models import Organisation
from tests.scripted_model import ScriptedModel

PROMPT = Prompt(
    messages=({"role": "system", "content": "s"}, {"role": "user", "content": "u"}),
    passages=2, tokens=100,
)  # fmt: skip


@pytest.fixture
def new_model() -> Iterator[Callable[[], ScriptedModel]]:
    """Makes scripted models, each a server of its own, and ends them all."""
    made: list[ScriptedModel] = []

    def make() -> ScriptedModel:
        model = ScriptedModel()
        model.start()
        made.append(model)
        return model

    yield make
    for model in made:
        model.stop()


@pytest.fixture
def model(new_model: Callable[[], ScriptedModel]) -> ScriptedModel:
    return new_model()


@pytest.fixture
def other(new_model: Callable[[], ScriptedModel]) -> ScriptedModel:
    return new_model()


@pytest.fixture
async def open_gateway() -> AsyncIterator[Callable[..., object]]:
    """Opens gateways over these routes, and closes them all."""
    async with AsyncExitStack() as stack:

        async def open_over(*routes: Route, ledger=None, **plan) -> Gateway:
            return await stack.enter_async_context(Gateway(Plan(routes, **plan), ledger))

        yield open_over


@pytest.fixture
async def live() -> AsyncIterator[Database]:
    database = Database("default")
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def tenant() -> Organisation:
    slug = f"t-{uuid.uuid4().hex[:10]}"
    return Organisation.objects.create(slug=slug, name=slug)


@pytest.fixture
def ask(tenant: Organisation) -> Ask:
    return Ask(tenant.id, uuid.uuid4())


def at(model: ScriptedModel, name: str = "default", **fields: Any) -> Route:
    """A route to this scripted model, patient where a test does not ask for haste."""
    return replace(Route(name, model.url, name, first_ms=2000, stall_ms=2000), **fields)


async def words(
    gateway: Gateway, ask: Ask, *, prompt: Prompt = PROMPT, milliseconds: float = 5000
) -> tuple[str, str]:
    """A whole draft, and the route that wrote it."""
    async with gateway.draft(prompt, ask, deadline=Deadline.after_ms(milliseconds)) as draft:
        text = "".join([piece async for piece in draft])
        assert draft.body is not None
        return text, draft.route.name

import asyncio
import io
import json
import uuid
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from coach.gateway.gateway import Gateway
from coach.gateway.kept import KeptDrafts
from coach.gateway.ledger import PostgresLedger
from coach.gateway.models import RegisteredRoute, Switch
from coach.gateway.plan import Plan
from coach.gateway.registry import read_plan, seed
from coach.gateway.routes import Stage
from coach.gateway.watch import watching
from coach.models import Organisation
from rag.embedding import Encoder


@pytest.fixture
def row():
    made = RegisteredRoute.objects.create(
        name=f"r-{uuid.uuid4().hex[:8]}", base_url="http://127.0.0.1:9/v1", model="m",
        roles=["safety"], stage=Stage.PRODUCTION, price_in="1.5", least_confidence=-1.25,
    )  # fmt: skip
    yield made
    made.delete()


async def test_a_registered_route_is_read_as_it_was_saved(live, row):
    route = (await read_plan(live, timeout_s=2)).route(row.name)
    assert route is not None
    assert (route.model, route.least_confidence) == ("m", -1.25)
    assert route.roles == {"safety"}
    assert route.cost_micros(1000, 0) == 1500


@pytest.mark.parametrize("stage", [Stage.DISCOVERY, Stage.RETIRED])
async def test_a_route_that_is_not_yet_or_no_more_in_use_is_not_in_the_plan(live, row, stage):
    row.stage = stage
    row.save()
    assert (await read_plan(live, timeout_s=2)).route(row.name) is None


async def test_edits_and_switches_are_in_force_on_every_worker_within_a_second(
    live, row, tenant, embedder
):
    kept = KeptDrafts(live, Encoder.load(embedder), hours=0)
    ledger = PostgresLedger(live)
    async with (
        Gateway(Plan(), ledger) as one, Gateway(Plan(), ledger) as two,
        watching(live, one, ledger, kept), watching(live, two, ledger, kept),
    ):  # fmt: skip
        both = one, two

        def models() -> set[str]:
            return {r.model for g in both for r in g.plan.routes if r.name == row.name}

        assert models() == {"m"}
        RegisteredRoute.objects.filter(id=row.id).update(model="edited")
        assert await within_a_second(lambda: models() == {"edited"})
        Organisation.objects.filter(id=tenant.id).update(killed=True)
        assert await within_a_second(
            lambda: all(tenant.id in g.plan.switches.organisations for g in both)
        )


async def within_a_second(true) -> bool:
    end = asyncio.get_running_loop().time() + 1.0
    while asyncio.get_running_loop().time() < end:
        if true():
            return True
        await asyncio.sleep(0.01)
    return False


def test_the_seed_file_is_valid_and_seeding_twice_keeps_what_was_edited():
    RegisteredRoute.objects.all().delete()
    made = seed()
    assert made
    RegisteredRoute.objects.filter(name=made[0]).update(model="edited")
    assert seed() == []
    assert RegisteredRoute.objects.get(name=made[0]).model == "edited"
    # What is seeded is called only when somebody says so.
    assert set(RegisteredRoute.objects.values_list("stage", flat=True)) == {Stage.DISCOVERY}
    RegisteredRoute.objects.all().delete()


@pytest.mark.parametrize(
    ("fields", "named"),
    [("tier = 'gigantic'", "tier"), ("colour = 'red'", "colour"), ("model = 3", "base_url")],
)
def test_a_route_that_is_off_is_named(scratch: Path, fields, named):
    file = scratch / "routes.toml"
    file.write_text(f"[odd]\n{fields}\n")
    with pytest.raises(CommandError, match="odd.*" + named):
        call_command("routes", "seed", file=file)
    assert not RegisteredRoute.objects.filter(name="odd").exists()


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("http://vllm:8000/v1", True), ("https://models.example.org/v1", True),
        ("http://127.0.0.1:18100/v1", True), ("ftp://models.example.org", False),
        ("http://user:secret@models.example.org/v1", False), ("file:///etc/passwd", False),
        ("http://models.example.org/ v1", False),
    ],
)  # fmt: skip
def test_an_address_is_http_and_holds_no_secret(row, address, good):
    row.base_url = address
    if good:
        row.full_clean()
    else:
        with pytest.raises(ValidationError):
            row.full_clean()


@pytest.mark.parametrize("variable", ["VAULT_KEY", "SECRET_KEY", "LLM_BASE_URL", "llm_api_key"])
def test_no_other_secret_than_a_model_s_key_can_be_sent_to_an_address(row, variable):
    row.key_variable = variable
    with pytest.raises(ValidationError):
        row.full_clean()


async def test_a_route_s_key_comes_from_the_variable_it_names(live, row, monkeypatch):
    monkeypatch.setenv("LLM_OTHER_API_KEY", "k-1")
    row.key_variable = "LLM_OTHER_API_KEY"
    row.full_clean()
    row.save()
    route = (await read_plan(live, timeout_s=2)).route(row.name)
    assert route is not None
    assert route.api_key == "k-1"
    assert "k-1" not in repr(route)


def test_routes_are_listed_with_where_they_come_from(row):
    out = io.StringIO()
    call_command("routes", "list", stdout=out)
    listed = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {"name": row.name, "source": "registry"}.items() <= next(
        entry for entry in listed if entry["name"] == row.name
    ).items()


def test_the_kill_command_switches_and_switches_back(tenant):
    call_command("kill", organisation=tenant.slug, stdout=io.StringIO())
    tenant.refresh_from_db()
    assert tenant.killed
    call_command("kill", organisation=tenant.slug, off=True, stdout=io.StringIO())
    tenant.refresh_from_db()
    assert not tenant.killed
    call_command("kill", feature="safety", stdout=io.StringIO())
    assert Switch.objects.get(feature="safety").killed
    call_command("kill", feature="safety", off=True, stdout=io.StringIO())
    assert not Switch.objects.get(feature="safety").killed
    with pytest.raises(CommandError, match="there is no nowhere"):
        call_command("kill", organisation="nowhere")

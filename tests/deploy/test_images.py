"""Images, the compose file and CI's scripts, as far as they can be judged without a daemon."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from django.conf import settings

DEPLOY = settings.BASE_DIR / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
ENGINES = {
    "app", "postgres", "redis", "triton", "vllm", "collector", "prometheus", "grafana", "loki",
}  # fmt: skip


@pytest.mark.parametrize("name", ["app", "triton"])
def test_an_image_is_built_in_stages_and_ends_as_1001_with_a_health_check(name):
    text = (DEPLOY / "images" / f"{name}.Dockerfile").read_text()
    assert len(re.findall(r"^FROM ", text, re.MULTILINE)) == 2
    last = text.rsplit("\nFROM ", 1)[1]
    assert re.findall(r"^USER (\S+)", last, re.MULTILINE) == ["1001:1001"]
    assert "HEALTHCHECK" in last
    assert "pip install" not in last


def test_what_an_image_copies_is_there_and_comes_through_the_ignore_file():
    let_in = {
        line[1:]
        for line in (settings.BASE_DIR / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    text = (DEPLOY / "images" / "app.Dockerfile").read_text()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (settings.BASE_DIR / source).exists()
            assert source in let_in


def test_every_engine_is_there_and_none_is_root_or_writes_to_its_own_files():
    assert SERVICES.keys() >= ENGINES
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert int(service["user"].split(":")[0]) > 0, name


def test_engines_have_no_way_out_and_only_faces_have_ports():
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name, service in SERVICES.items():
        if "network_mode" in service:
            continue
        outside = "edge" in service["networks"]
        assert outside == ("ports" in service) == (name in ("app", "grafana")), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_every_file_that_is_mounted_is_there():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), f"{name}: {source}"


def test_no_secret_has_a_default():
    text = (DEPLOY / "compose.yaml").read_text()
    for name in ("SECRET_KEY", "VAULT_KEY", "METRICS_TOKEN", "OWNER_PASSWORD", "APP_PASSWORD"):
        assert f"${{{name}:?}}" in text
        assert f"${{{name}:-" not in text


def test_only_the_migration_gets_the_owners_way_into_the_database():
    for name, service in SERVICES.items():
        owner = service.get("environment", {}).get("DATABASE_OWNER_URL", "")
        assert ("OWNER_PASSWORD" in owner) == (name == "migrate"), name


def test_images_are_released_by_digest_or_not_at_all():
    done = subprocess.run(
        [settings.BASE_DIR / ".ci" / "images"], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHON_IMAGE": "docker.io/library/python:3.11"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "by its digest" in done.stderr


def test_the_bill_of_materials_names_every_locked_package(scratch: Path):
    out = scratch / "sbom.json"
    subprocess.run(
        [settings.BASE_DIR / ".ci" / "sbom", out], capture_output=True, text=True, check=True
    )
    told = yaml.safe_load(out.read_text())
    assert told["bomFormat"] == "CycloneDX"
    locked = set(
        re.findall(
            r"^([a-z0-9._-]+)==", (settings.BASE_DIR / "requirements.lock").read_text(), re.M
        )
    )
    assert {component["name"].lower() for component in told["components"]} >= locked

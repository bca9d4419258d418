"""What is served besides the live line: health, metrics, the API's own description."""

import json
import urllib.error
import urllib.request

import pytest


def get(url: str) -> tuple[int, str, dict[str, str]]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode(), dict(exc.headers)


def test_readiness_names_each_dependency(live_server_url):
    status, body, _ = get(f"{live_server_url}/readyz")
    assert status == 200
    assert json.loads(body)["checks"]["vault"] == "ok"


@pytest.mark.parametrize("path", ["/metrics", "/metrics/summary", "/metrics/alerts", "/healthz"])
def test_operating_pages_answer(live_server_url, path):
    assert get(live_server_url + path)[0] == 200


def test_the_schema_describes_every_address_of_the_api(live_server_url):
    status, body, _ = get(f"{live_server_url}/api/schema/?format=json")
    assert status == 200
    paths = json.loads(body)["paths"]
    for path in ("/api/v1/sessions/join/", "/api/v1/consent/withdraw/", "/api/v1/suggestions/"):
        assert path in paths


def test_the_docs_come_without_another_server(live_server_url):
    status, body, _ = get(f"{live_server_url}/api/docs/")
    assert status == 200
    assert "//cdn" not in body


@pytest.mark.parametrize("path", ["/", "/join/", "/accounts/login/", "/admin/login/"])
def test_every_page_carries_a_policy_without_inline_scripts(live_server_url, path):
    status, _, headers = get(live_server_url + path)
    assert status == 200
    policy = headers["Content-Security-Policy"]
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe-inline" not in script


def test_problems_are_problem_documents(live_server_url):
    status, body, headers = get(f"{live_server_url}/api/v1/consent/notice/?code=NOPE99")
    assert status == 404
    assert headers["Content-Type"].startswith("application/problem+json")
    assert json.loads(body)["status"] == 404


def test_production_refuses_to_start_without_its_secrets():
    import os
    import subprocess
    import sys

    environment = {k: v for k, v in os.environ.items() if k not in ("DEMO", "DEBUG", "SECRET_KEY")}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], capture_output=True, text=True, env=environment
    )
    assert done.returncode != 0
    for name in ("SECRET_KEY", "VAULT_KEY", "ALLOWED_HOSTS"):
        assert name in done.stderr

"""Every endpoint times every role, compared with the one file that says who may do what."""

import asyncio
import json
import re
import time
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from django.conf import settings
from django.contrib.auth import get_user_model
from django.urls import get_resolver
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from coach import tenancy
from coach.api import urls as api_urls
from coach.demo.load import second_factor_code
from coach.live.frames import ACTIONS, READERS
from coach.models import Alert, Member, Nudge, Organisation, Session, Staff
from coach.reports.models import Report
from coach.rooms.access import MEMBERS_KEY
from coach.rooms.joining import join
from consent.models import AuditEntry
from rag.models import Playbook

POLICY = tomllib.loads((Path(__file__).parent / "authorisation.toml").read_text())
ROLES = "apofgdzs"
CSRF = "c" * 32
# What an endpoint needs beside its address to get as far as asking who it is that calls.
QUERY = {
    "/api/v1/consent/notice/": "?code={code}",
    "/join/": "?code={code}",
    "/api/v1/playbooks/{playbook}/search/": "?q=report",
    **{
        f"/api/v1/consent/{name}/": "?session={session}"
        for name in (
            "records", "grant", "own-words", "withdraw", "correct", "receipts", "disclosures",
            "export", "erase",
        )
    },
}  # fmt: skip
BODY: dict[str, Any] = {
    "/api/v1/suggestions/": {"session": "{session}"},
    "/api/v1/nudges/{nudge}/feedback/": {"verdict": "accepted"},
}
LAST = ("/end/", "/logout/")


def order(endpoint: str) -> tuple[int, str]:
    """What ends a session or a log-in comes last."""
    return next((n for n, tail in enumerate(LAST, 1) if endpoint.endswith(tail)), 0), endpoint


DOORS = ("/accounts/login/", "/admin/login/")


def walk(patterns: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for entry in patterns:
        route = before + str(entry.pattern)
        if hasattr(entry, "url_patterns"):
            yield from walk(entry.url_patterns, route)
        else:
            yield route, entry


def methods(callback: Any) -> list[str]:
    view = getattr(callback, "view_class", None) or getattr(callback, "cls", None)
    if view is None:
        return ["POST"] if callback.__name__ == "set_language" else ["GET"]
    if view.__name__ == "LogoutView":
        return ["POST"]
    written = [m for m in ("get", "post", "put", "patch", "delete") if m in vars(view)]
    return [m.upper() for m in written] or ["GET"]


def endpoints() -> dict[str, str]:
    """Every address outside the administration, by method, as the policy file writes it."""
    found = {}
    for route, entry in walk(get_resolver().url_patterns):
        if route.startswith("admin/"):
            continue
        address = "/" + re.sub(r"<(?:\w+:)?(\w+?)(?:_id)?>", r"{\1}", route)
        for method in methods(entry.callback):
            found[f"{method} {address}"] = entry.pattern.name or ""
    return found


class Cast:
    """Eight callers, each with a browser of their own, around one session."""

    def __init__(self) -> None:
        users = get_user_model().objects
        tail = uuid.uuid4().hex[:8]
        organisation = Organisation.objects.get(id=settings.DEFAULT_ORGANISATION_ID)
        elsewhere = Organisation.objects.create(slug=f"else-{tail}", name="Elsewhere")
        people = {
            role: users.create(username=f"{role}-{tail}", is_staff=role in "ds",
                               is_superuser=role == "s")
            for role in "fgdzs"
        }  # fmt: skip
        for role, where, place in (
            ("f", organisation, "facilitator"), ("g", organisation, "facilitator"),
            ("d", organisation, "administrator"), ("z", elsewhere, "facilitator"),
        ):  # fmt: skip
            Staff.objects.create(user=people[role], organisation=where, role=place)
        playbook = Playbook.objects.filter(organisation_id=organisation.id).first()
        self.session = Session.objects.create(
            organisation=organisation, facilitator=people["f"], playbook=playbook, title="Matrix"
        )
        with tenancy.acting(tenancy.of([organisation.id], actor="test")):
            joined = {
                role: join(self.session.join_code, display_name=f"Person {role}", consent={}).member
                for role in "po"
            }
            nudge = Nudge.objects.create(
                session=self.session, member=joined["p"], text="n", source="playbook"
            )
            alert = Alert.objects.create(session=self.session, member=joined["p"], kind="self_harm")
            report = Report.objects.create(
                organisation=organisation, session=self.session, member=joined["p"],
                kind=Report.Kind.REFLECTION,
            )  # fmt: skip
        self.ids = {
            "session": str(self.session.id), "nudge": str(nudge.id), "report": str(report.id),
            "alert": str(alert.id), "client_msg": str(uuid.uuid4()), "code": self.session.join_code,
            "playbook": str(playbook.id if playbook else ""), "uidb64": "MQ",
            "token": "set-password",
        }  # fmt: skip
        self.people, self.joined = people, joined

    def fill(self, text: str) -> str:
        return text.format(**self.ids)

    def body(self, address: str) -> dict[str, Any]:
        return {k: v.replace("{session}", self.ids["session"])
                for k, v in BODY.get(address, {}).items()}  # fmt: skip

    def key(self, role: str) -> str:
        """A browser that has just come in as this role, administrators with both factors."""
        if role in self.joined:
            return browser(member=self.joined[role])
        if role in self.people:
            return browser(user=self.people[role], verified=role in "ds")
        return ""


def browser(*, user: Any = None, member: Member | None = None, verified: bool = False) -> str:
    """A Django session as logging in or joining leaves it; its cookie."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    if user is not None:
        store["_auth_user_id"] = str(user.pk)
        store["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[0]
        store["_auth_user_hash"] = user.get_session_auth_hash()
    if member is not None:
        store[MEMBERS_KEY] = {str(member.session_id): str(member.id)}
    if verified:
        device = TOTPDevice.objects.create(user=user, name="t", confirmed=True)
        store[DEVICE_ID_SESSION_KEY] = device.persistent_id
        store["second_factor_at"] = time.time()
    store.save()
    return str(store.session_key)


@pytest.fixture(scope="module")
def cast(demo: object) -> Cast:
    return Cast()


class Caller:
    """One role's way to the server."""

    def __init__(self, base: str, cookie: str) -> None:
        self.http = httpx2.Client(base_url=base, timeout=20)
        self.cookie = cookie

    def ask(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        cookies = f"csrftoken={CSRF}" + (f"; sessionid={self.cookie}" if self.cookie else "")
        headers = {"Cookie": cookies, "X-CSRFToken": CSRF}
        self.http.cookies.clear()
        return self.http.request(method, path, json=body, headers=headers)

    def opens(self, path: str) -> bool:
        """A stream does not end by itself: its first bytes tell."""
        self.http.cookies.clear()
        headers = {"Cookie": f"sessionid={self.cookie}"} if self.cookie else {}
        with self.http.stream("GET", path, headers=headers) as answer:
            if answer.status_code == 200:
                assert next(answer.iter_bytes()).startswith(b"retry:")
            return answer.status_code == 200

    def may(self, method: str, path: str, body: Any = None) -> bool:
        """Whether they got past the question of who they are."""
        if path.startswith("/api/") and path.endswith("/stream/"):
            return self.opens(path)
        answer = self.ask(method, path, body)
        assert answer.status_code < 500, (method, path, answer.status_code)
        to_login = any(door in answer.headers.get("location", "") for door in DOORS)
        return not (answer.status_code in (401, 403, 404) or to_login)


@pytest.fixture
def callers(cast: Cast, live_server_url: str) -> Iterator[dict[str, Caller]]:
    made = {role: Caller(live_server_url, cast.key(role)) for role in ROLES}
    yield made
    for caller in made.values():
        caller.http.close()


def test_the_policy_names_every_endpoint_and_no_other():
    assert POLICY["pages"].keys() | POLICY["api"].keys() == endpoints().keys()
    assert len(api_urls.urlpatterns) <= len(POLICY["api"])
    assert POLICY["sockets"].keys() - {"connect"} == READERS.keys()


def test_every_endpoint_opens_to_exactly_whom_the_policy_says(cast, callers):
    declared = POLICY["pages"] | POLICY["api"]
    found = {}
    for endpoint in sorted(declared, key=order):
        method, _, address = endpoint.partition(" ")
        path = cast.fill(address + QUERY.get(address, ""))
        body = json.loads(
            json.dumps(BODY.get(address, {})).replace("{session}", cast.ids["session"])
        )
        sent = None if method == "GET" else body
        found[endpoint] = "".join(r for r in ROLES if callers[r].may(method, path, sent))
    assert found == declared


def test_what_is_not_there_for_somebody_is_not_there_at_all(cast, callers):
    """404, not 403: nobody learns from a refusal that there is such an object."""
    for endpoint, allowed in POLICY["api"].items():
        method, _, address = endpoint.partition(" ")
        if "{" not in address or address.endswith(LAST):
            continue
        for role in set("pogz") - set(allowed):
            path = cast.fill(address + QUERY.get(address, ""))
            body = None if method == "GET" else cast.body(address)
            assert callers[role].ask(method, path, body).status_code == 404, (endpoint, role)


def desk() -> list[tuple[str, str]]:
    return [
        ("/" + re.sub(r"<[^>]+>", "1", route), entry.pattern.name or entry.name or "")
        for route, entry in walk(get_resolver().url_patterns)
        if route.startswith("admin/") and "(?P" not in route
    ]


def test_the_desk_is_shut_to_all_but_administrators(callers):
    pages = [(path, name) for path, name in desk() if name not in ("login", "logout")]
    assert len(pages) > 100
    outside = set(ROLES) - set(POLICY["desk"]["open"])
    assert [
        (path, role) for path, _ in pages for role in outside if callers[role].may("GET", path)
    ] == []


def test_each_list_of_the_desk_opens_to_whom_the_policy_says(callers):
    wrong, seen = [], set()
    for path, name in desk():
        app = name.rpartition("_")[0].split("_")[0]
        if not name.endswith("_changelist"):
            continue
        app = "otp_totp" if name.startswith("otp_totp") else app
        seen.add(app)
        may = "".join(role for role in "ds" if callers[role].may("GET", path))
        wrong += [] if may == POLICY["desk"][app] else [(path, may)]
    assert wrong == []
    assert seen | {"open", "door"} == POLICY["desk"].keys()
    assert (
        "".join(r for r in "ds" if callers[r].may("GET", "/admin/door/")) == POLICY["desk"]["door"]
    )


def test_without_a_second_factor_an_administrator_finds_the_desk_shut(cast, callers):
    for role in "ds":
        bare = callers[role]
        bare.cookie = browser(user=cast.people[role])
        assert [path for path, name in desk() if name not in ("login", "logout", "jsi18n")
                and bare.may("GET", path)] == []  # fmt: skip
        asked = bare.ask("GET", "/admin/login/?next=/admin/")
        assert asked.headers["location"].startswith("/accounts/second-factor/")


def test_what_is_grave_asks_for_a_fresh_code(cast, callers):
    key = browser(user=cast.people["d"], verified=True)
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    store["second_factor_at"] = time.time() - 601
    store.save()
    stale = callers["d"]
    stale.cookie = key
    assert stale.ask("GET", "/admin/coach/session/").status_code == 200
    for method, path in (
        ("GET", "/admin/consent/auditentry/"), ("POST", "/admin/coach/member/"),
        ("POST", "/admin/consent/closedpurpose/add/"),
    ):  # fmt: skip
        assert "second-factor" in stale.ask(method, path).headers.get("location", ""), path


def test_the_demo_administrator_comes_in_with_password_and_code(callers):
    device = TOTPDevice.objects.get(user__username="admin")
    TOTPDevice.objects.filter(pk=device.pk).update(last_t=-1, throttling_failure_count=0)
    user = get_user_model().objects.get(username="admin")
    caller = callers["d"]
    caller.cookie = browser(user=user)
    form = {"code": "000000", "csrfmiddlewaretoken": CSRF}

    def give(code: str) -> Any:
        caller.http.cookies.clear()
        return caller.http.post(
            "/accounts/second-factor/?next=/admin/coach/session/", data={**form, "code": code},
            headers={"Cookie": f"csrftoken={CSRF}; sessionid={caller.cookie}"},
        )  # fmt: skip

    assert give(second_factor_code()).headers["location"] == "/admin/coach/session/"
    assert caller.ask("GET", "/admin/coach/session/").status_code == 200
    assert give(second_factor_code()).status_code == 200, "a code is good for one use"


def test_organisations_are_kept_apart_at_the_desk_and_a_door_is_audited(cast, callers):
    organisation = callers["d"].ask("GET", "/admin/coach/organisation/").text
    assert "Elsewhere" not in organisation
    assert "Matrix" in callers["d"].ask("GET", "/admin/coach/session/").text
    assert "Matrix" not in callers["s"].ask("GET", "/admin/coach/session/").text
    reason = {"organisation": str(settings.DEFAULT_ORGANISATION_ID), "reason": "Ticket about it"}
    caller = callers["s"]
    caller.http.cookies.clear()
    entered = caller.http.post(
        "/admin/door/", data={**reason, "csrfmiddlewaretoken": CSRF},
        headers={"Cookie": f"csrftoken={CSRF}; sessionid={caller.cookie}"},
    )  # fmt: skip
    assert entered.status_code == 302
    assert "Matrix" in caller.ask("GET", "/admin/coach/session/").text
    actor = f"user:{cast.people['s'].pk}"
    left = AuditEntry.objects.filter(
        organisation_id=settings.DEFAULT_ORGANISATION_ID, actor=actor
    ).order_by("seq")
    assert [entry.action for entry in left][:2] == ["door_opened", "administered"]
    assert left[0].body["reason"] == "Ticket about it"


async def open_socket(cast: Cast, base: str, key: str) -> Any:
    headers = {"Origin": base, "Cookie": f"sessionid={key}"} if key else {"Origin": base}
    url = f"{base.replace('http', 'ws')}/ws/sessions/{cast.ids['session']}/"
    try:
        socket = await websockets.connect(url, additional_headers=headers)
    except websockets.InvalidStatus:
        return None
    assert json.loads(await socket.recv())["type"] == "welcome"
    return socket


def frame(kind: str, cast: Cast) -> dict[str, Any]:
    frames: dict[str, dict[str, Any]] = {
        "utterance": {"client_msg_id": str(uuid.uuid4()), "text": "mm-hm"},
        "draft": {"text": "m"},
        "cancel": {"client_msg_id": str(uuid.uuid4())},
        "resume": {"epoch": str(uuid.uuid4()), "last_seq": 0},
        "feedback": {"nudge": cast.ids["nudge"], "verdict": "accepted"},
        "ping": {},
        "prefer": {"verbosity": "normal"},
    }
    return {"type": kind, **frames[kind]}


async def refused(socket: Any, sent: dict[str, Any], codes: set[str]) -> bool:
    await socket.send(json.dumps(sent))
    if sent["type"] != "ping":
        await socket.send(json.dumps({"type": "ping"}))
    said: set[str] = set()
    with suppress(TimeoutError):
        while (got := json.loads(await asyncio.wait_for(socket.recv(), 5)))["type"] != "pong":
            said |= {got.get("code", "")}
    return bool(said & codes)


async def test_every_frame_is_taken_from_exactly_whom_the_policy_says(cast, live_server_url):
    Session.objects.filter(id=cast.ids["session"]).update(status="open")
    found = dict.fromkeys(POLICY["sockets"], "")
    for role in ROLES:
        socket = await open_socket(cast, live_server_url, cast.key(role))
        if socket is None:
            continue
        found["connect"] += role
        for kind in sorted(READERS.keys() - {"control"}):
            if not await refused(socket, frame(kind, cast), {"forbidden", "not_found"}):
                found[kind] += role
        asked = {"mode": "auto", "text": "What now?", "nudge": str(uuid.uuid4())}
        answers = [
            await refused(socket, {"type": "control", "action": a, **asked}, {"forbidden"})
            for a in ACTIONS
        ]
        assert len(set(answers)) == 1, role
        found["control"] += "" if answers[0] else role
        await socket.close()
        Session.objects.filter(id=cast.ids["session"]).update(status="open", killed=False)
    assert found == POLICY["sockets"]


ENDINGS = ["logged out", "disabled", "new password", "removed", "role changed"]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_socket_closes_within_two_seconds_of_its_right(cast, live_server_url, ending):
    user = get_user_model().objects.create(username=uuid.uuid4().hex)
    place = Staff.objects.create(
        user=user, organisation_id=settings.DEFAULT_ORGANISATION_ID, role="administrator"
    )
    key = browser(user=user)
    socket = await open_socket(cast, live_server_url, key)
    assert socket is not None
    match ending:
        case "logged out":
            import_module(settings.SESSION_ENGINE).SessionStore(key).delete()
        case "disabled":
            get_user_model().objects.filter(pk=user.pk).update(is_active=False)
        case "new password":
            user.set_password(uuid.uuid4().hex)
            user.save()
        case "removed":
            seats = Member.objects.filter(session_id=cast.ids["session"], user=user)
            seats.update(removed_at="2026-01-01T00:00Z")
        case "role changed":
            place.delete()
    began = time.monotonic()
    with pytest.raises(websockets.ConnectionClosed):
        while True:
            await asyncio.wait_for(socket.recv(), 4)
    assert time.monotonic() - began <= 2.5
    assert socket.close_code == 4403

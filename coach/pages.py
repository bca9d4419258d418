"""The pages people open. They carry words and structure; what is live comes by socket and API."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import segno
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import get_language_bidi
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from coach.models import Member, Session
from coach.rooms import plain
from coach.rooms.access import caller_by_cookie
from coach.rooms.joining import membership
from coach.rooms.rights import export_member
from rag.models import TextSearch

PAPER = "#f5f6f3"
SPRUCE = "#0e6153"
REPLAY_SPEEDS = (1, 4, 16, 64)
# What the offline page needs, and nothing that could hold a person's words.
SHELL = (
    "css/tokens.css",
    "css/base.css",
    "css/pages.css",
    "js/offline.js",
    "icons/icon.svg",
    "icons/ui.svg",
    "icons/icon-192.png",
)


@require_safe
@ensure_csrf_cookie
def landing(request: HttpRequest) -> HttpResponse:
    """What Sidecoach is, the join code field, and in demo mode whom to be."""
    erased = "erased" in request.GET
    return render(request, "pages/landing.html", {"demo": _demo(), "erased": erased})


@require_safe
@never_cache
@ensure_csrf_cookie
def join(request: HttpRequest) -> HttpResponse:
    """Name and consent, for whoever brings a code."""
    code = request.GET.get("code", "").strip().upper()[:12]
    if not code:
        return redirect("landing")
    return render(request, "pages/join.html", {"code": code})


@require_safe
@never_cache
@ensure_csrf_cookie
def room(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """A participant's session; a facilitator is led to the board."""
    member = _member(request, session_id)
    if member.role == Member.Role.FACILITATOR:
        return redirect("board", session_id)
    words = {
        "session": member.session,
        "member": member,
        "playbook_language": _playbook_language(member.session),
    }
    return render(request, "pages/room.html", words)


@require_safe
@never_cache
@ensure_csrf_cookie
def my_data(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """What one participant allowed, what was used, and the way to take it back."""
    member = _member(request, session_id)
    if member.role == Member.Role.FACILITATOR:
        raise Http404
    return render(request, "pages/my_data.html", {"session": member.session, "member": member})


@require_safe
@never_cache
def my_export(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """Everything kept of one participant, to be read rather than processed."""
    member = _member(request, session_id)
    if member.role == Member.Role.FACILITATOR:
        raise Http404
    export = export_member(member)
    words = {"session": member.session, "export": export, "parts": plain.parts(export)}
    return render(request, "pages/export.html", words)


@require_safe
@ensure_csrf_cookie
def receipt(request: HttpRequest) -> HttpResponse:
    """Whether a receipt is one of ours, for whoever holds it."""
    return render(request, "pages/receipt.html")


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def console(request: HttpRequest) -> HttpResponse:
    """The facilitator's sessions, and a new one."""
    return render(request, "pages/console.html", {"modes": Session.Mode.choices})


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def board(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """One session live, for those who facilitate it."""
    session = _facilitated(request, session_id)
    link = request.build_absolute_uri(f"{reverse('join')}?code={session.join_code}")
    # A phone's camera reads it from the wall; dark on light in either theme.
    code = segno.make(link, micro=False).svg_inline(scale=4, border=2, light="#fff", omitsize=True)
    return render(
        request,
        "pages/board.html",
        {
            "session": session,
            "playbook_language": _playbook_language(session),
            "join_link": link,
            "join_qr": mark_safe(code),  # noqa: S308  ours
        },
    )


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def handover(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """What a session came to, in words and numbers, to be kept or printed."""
    return render(request, "pages/handover.html", {"session": _facilitated(request, session_id)})


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def replay(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """A session over again, on a time line."""
    session = _facilitated(request, session_id)
    words = {
        "session": session,
        "playbook_language": _playbook_language(session),
        "speeds": REPLAY_SPEEDS,
    }
    return render(request, "pages/replay.html", words)


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """What the service worker shows when nothing can be reached."""
    return render(request, "pages/offline.html")


@require_safe
@cache_control(max_age=86400)
def favicon(_request: HttpRequest) -> HttpResponse:
    """For browsers that ask at the old address, as they do on pages that are not ours."""
    return redirect(static("icons/icon.svg"))


@require_safe
@cache_control(max_age=3600)
def manifest(_request: HttpRequest) -> JsonResponse:
    """The web app manifest."""
    icons = [
        {"src": static(f"icons/icon-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png"}
        for size in (192, 512)
    ]
    maskable = {
        "src": static("icons/maskable-512.png"),
        "sizes": "512x512",
        "type": "image/png",
        "purpose": "maskable",
    }
    return JsonResponse(
        {
            "id": "/",
            "name": "Sidecoach",
            "short_name": "Sidecoach",
            "description": _("Short nudges from a curated playbook while you talk."),
            "start_url": reverse("landing"),
            "scope": "/",
            "display": "standalone",
            "dir": "rtl" if get_language_bidi() else "ltr",
            "background_color": PAPER,
            "theme_color": SPRUCE,
            "icons": [*icons, maskable],
        },
        content_type="application/manifest+json",
    )


@require_safe
@cache_control(no_cache=True)
def service_worker(request: HttpRequest) -> HttpResponse:
    """The service worker, which keeps the offline page and its assets and nothing else.

    It is re-read on every visit; a changed asset changes its bytes, which is how a browser
    learns of a new version.
    """
    version = _shell_version() if settings.DEBUG else _known_shell_version()
    shell = [reverse("offline"), *(static(path) for path in SHELL)]
    return render(
        request,
        "pages/service_worker.js",
        {"version": version, "shell": json.dumps(shell), "offline": reverse("offline")},
        content_type="text/javascript",
    )


def _facilitated(request: HttpRequest, session_id: UUID) -> Session:
    session = Session.objects.facilitated_by(request.user).filter(id=session_id).first()
    if session is None:
        raise Http404
    return session


def _playbook_language(session: Session) -> str:
    """The language that a session's cards are in, as far as it is known."""
    version = session.playbook.live_version if session.playbook is not None else None
    return version.language if version and version.language != TextSearch.OTHER else ""


def _member(request: HttpRequest, session_id: UUID) -> Member:
    caller = caller_by_cookie(request.user, request.session)
    member = membership(caller, session_id) if caller else None
    if member is None:
        raise Http404
    return member


def _demo() -> dict[str, Any] | None:
    if not settings.DEMO:
        return None
    from coach.demo.load import describe

    return describe()


def _shell_version() -> str:
    digest = hashlib.sha256()
    for asset in _assets():
        digest.update(asset.read_bytes())
    return digest.hexdigest()[:12]


@lru_cache(maxsize=1)
def _known_shell_version() -> str:
    return _shell_version()


def _assets() -> list[Path]:
    """Every style, script and icon of ours, in a fixed order."""
    home = finders.find("css/tokens.css")
    if home is None:
        return []
    root = Path(home).parent.parent
    return sorted(
        path for folder in ("css", "js", "icons") for path in (root / folder).rglob("*.*")
    )

"""Headers every page carries, and the language it is in."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

# The tags that crisis cards are found by: a language, and perhaps where it is spoken.
TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# Alpine, which the admin's theme is built on, evaluates expressions.
ADMIN_POLICY = POLICY.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
# Swagger's page sets styles on its elements; its scripts are files.
DOCS_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
POLICIES = {"/admin/": ADMIN_POLICY, "/api/docs/": DOCS_POLICY}


class ContentPolicy:
    """Nothing inline, nothing from elsewhere; `microphone` is for speech recognition."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = next((p for path, p in POLICIES.items() if request.path.startswith(path)), POLICY)
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Permissions-Policy", "microphone=(self), camera=()")
        return response


def language_of(request: HttpRequest) -> str:
    """The language somebody chose, else the first their browser asks for: `de`, `en-GB` or ""."""
    first = request.headers.get("Accept-Language", "").split(",")[0].partition(";")[0].strip()
    tag = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) or first
    return tag if TAG.fullmatch(tag) else ""


class PageLanguage(LocaleMiddleware):
    """The language somebody chose, or else their browser's; the desk has the operator's."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path.startswith("/admin/"):
            translation.activate(settings.LANGUAGE_CODE)
            request.LANGUAGE_CODE = translation.get_language()
        else:
            super().process_request(request)

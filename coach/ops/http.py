"""Headers every page carries, the time each request takes, and who may read the metrics."""

import time
from collections.abc import Callable
from functools import wraps
from hmac import compare_digest

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from coach.ops import metrics

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

View = Callable[[HttpRequest], HttpResponse]


class ContentPolicy:
    """Nothing inline, nothing from elsewhere; `microphone` is for speech recognition."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = next((p for path, p in POLICIES.items() if request.path.startswith(path)), POLICY)
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Permissions-Policy", "microphone=(self), camera=()")
        return response


class Timed:
    """Every request in the metrics, by the name of its view; an address nobody has is `none`."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        begun = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        view = (match.view_name or match._func_path) if match else "none"
        taken_ms = (time.perf_counter() - begun) * 1000
        metrics.HTTP.labels(view, response.status_code).observe(taken_ms)
        return response


def for_scrapers(view: View) -> View:
    """Shown to who brings `METRICS_TOKEN`; without one set, in demo and debug alone.

    Figures by organisation are nobody else's business. To others the page is not there.
    """

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        token = settings.ENV.metrics_token.get_secret_value()
        given = request.headers.get("Authorization", "")
        allowed = (
            compare_digest(given.encode(), f"Bearer {token}".encode())
            if token
            else settings.DEMO or settings.DEBUG
        )
        return view(request) if allowed else HttpResponse(status=404)

    return guarded

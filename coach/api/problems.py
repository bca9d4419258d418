"""Errors as RFC 9457 problem documents."""

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response

from consent.errors import NotAllowed, NoticeChanged, UnknownSubject

log = structlog.get_logger(__name__)


def problem_response(exc: Exception, context: dict[str, Any]) -> Response | None:
    """The problem document for an error a client may cause; None lets others become a 500."""
    if isinstance(exc, Http404 | UnknownSubject):
        return _problem(status.HTTP_404_NOT_FOUND, "Not found", "There is nothing here for you.")
    if isinstance(exc, PermissionDenied):
        return _problem(status.HTTP_403_FORBIDDEN, "Forbidden", "You may not do this.")
    if isinstance(exc, NotAllowed):
        return _problem(status.HTTP_400_BAD_REQUEST, "Not allowed by policy", str(exc))
    if isinstance(exc, NoticeChanged):
        return _problem(status.HTTP_409_CONFLICT, "The notice changed", "Read it again, please.")
    if isinstance(exc, OperationalError):
        log.warning("request.unavailable", error=type(exc.__cause__ or exc).__name__)
        detail = "The store does not answer; try again."
        code = status.HTTP_503_SERVICE_UNAVAILABLE
        return _problem(code, "Temporarily unavailable", detail, headers={"Retry-After": "1"})
    if not isinstance(exc, exceptions.APIException):
        return None
    headers = {}
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        headers["WWW-Authenticate"] = "Bearer"
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    errors = exc.detail if isinstance(exc, exceptions.ValidationError) else None
    detail = "The request does not fit; see errors." if errors else str(exc.detail)
    return _problem(exc.status_code, str(exc.default_detail), detail, errors, headers)


def _problem(
    code: int,
    title: str,
    detail: str,
    errors: Any = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": code,
        "detail": detail,
    }
    if errors is not None:
        body["errors"] = errors
    return Response(body, status=code, headers=headers, content_type="application/problem+json")

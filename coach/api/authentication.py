"""DRF authentication: a bearer token, or the browser's cookie with CSRF protection."""

from typing import Any

from django.http import HttpResponse
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.request import Request

from coach.rooms.access import Caller, caller_by_cookie, caller_by_token


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Caller, str] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        caller = caller_by_token(token.strip())
        if caller is None:
            raise exceptions.AuthenticationFailed("The token is unknown or has expired.")
        return caller, "token"

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class CookieAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Caller, str] | None:
        plain: Any = request._request
        caller = caller_by_cookie(getattr(plain, "user", None), plain.session)
        if caller is None:
            return None
        enforce_csrf(request)
        return caller, "cookie"


def enforce_csrf(request: Request) -> None:
    """Refuse a state-changing request that this browser's own pages did not make."""
    check: Any = CSRFCheck(lambda _: HttpResponse())
    plain: Any = request._request
    check.process_request(plain)
    reason = check.process_view(plain, None, (), {})
    if reason:
        raise exceptions.PermissionDenied(f"CSRF: {reason}")

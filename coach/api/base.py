"""What the API's views share: the caller, their session, and the worker's hub."""

from typing import Any
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync
from django.http import Http404, HttpRequest
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from coach.database import DatabaseError
from coach.errors import Overloaded, Refused
from coach.live.hub import Hub
from coach.models import Member
from coach.rooms.access import Caller
from coach.rooms.joining import membership
from consent.models import Notice

log = structlog.get_logger(__name__)


class Unavailable(exceptions.APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Temporarily unavailable"


class Full(exceptions.APIException):
    """Nothing was done for now; `wait` is in how many seconds to ask again."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Overloaded"

    def __init__(self, overloaded: Overloaded) -> None:
        super().__init__(overloaded.detail)
        self.wait = overloaded.retry_after_ms / 1000


class TooFast(exceptions.APIException):
    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_detail = "Too fast"
    wait = 1


class Conflict(exceptions.APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = "Not possible now"


class SessionView(APIView):
    """A view on one session; whoever has no place in it finds nothing there."""

    def member_of(self, request: Request, session_id: UUID) -> Member:
        caller: Caller = request.user  # type: ignore[assignment]
        member = membership(caller, session_id, prefer=request.query_params.get("as", ""))
        if member is None:
            raise Http404
        return member

    def facilitator_of(self, request: Request, session_id: UUID) -> Member:
        caller: Caller = request.user  # type: ignore[assignment]
        member = membership(caller, session_id, prefer=Member.Role.FACILITATOR)
        if member is None:
            raise Http404
        return member


def read_notice(notice_id: int | None) -> Notice | None:
    """The notice that this client says it showed; None where it says nothing."""
    if notice_id is None:
        return None
    notice = Notice.objects.filter(id=notice_id).first()
    if notice is None:
        raise exceptions.ValidationError({"notice": ["There is no such notice."]})
    return notice


def hub_of(request: Request | HttpRequest) -> Hub:
    """This worker's hub; only the ASGI application has one."""
    plain = request._request if isinstance(request, Request) else request
    scope: dict[str, Any] = getattr(plain, "scope", {})
    hub = scope.get("state", {}).get("hub")
    if hub is None:
        raise Unavailable("This process serves no live sessions.")
    return hub  # type: ignore[no-any-return]


def run_live(work: Any, *args: Any, **kwargs: Any) -> Any:
    """Run one of the live functions on the worker's loop, its errors as HTTP ones."""
    try:
        return async_to_sync(work)(*args, **kwargs)
    except Overloaded as exc:
        raise Full(exc) from exc
    except Refused as exc:
        if exc.code == "not_found":
            raise Http404 from exc
        if exc.code in ("key_reuse", "ended", "busy"):
            raise Conflict(exc.detail) from exc
        if exc.code == "rate_limited":
            raise TooFast(exc.detail) from exc
        raise exceptions.ValidationError({exc.code: [exc.detail]}) from exc
    except DatabaseError as exc:
        log.warning("request.unavailable", error=type(exc).__name__, detail=str(exc))
        raise Unavailable("The store does not answer; try again.") from exc


def admit_session(request: Request) -> None:
    """Raises Full while this worker has no memory for more people."""
    try:
        hub_of(request).admission.admit_session()
    except Overloaded as exc:
        raise Full(exc) from exc


def created(body: Any) -> Response:
    return Response(body, status=status.HTTP_201_CREATED)

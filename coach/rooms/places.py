"""Whose rows a request may see: those of the organisations in which its caller has a place."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from coach import tenancy
from coach.desk.door import opened
from coach.rooms.access import caller_by_cookie, organisations_of

ADMIN = "/admin/"


class PlacesOfCaller:
    """Middleware: a request by cookie acts for its caller's organisations, any other for none.

    A bearer token and a join code are read later, and enter their own scope. At the desk only
    the organisations count that the caller administers, or the one whose door is open.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with tenancy.acting(_scope(request)):
            return self.get_response(request)


def _scope(request: HttpRequest) -> tenancy.Scope:
    caller = caller_by_cookie(request.user, request.session)
    if caller is None:
        return tenancy.NOBODY
    at_the_desk = request.path.startswith(ADMIN)
    places = organisations_of(caller, administers=at_the_desk)
    if at_the_desk and (entered := opened(request)) is not None:
        places = {entered}
    return tenancy.of(places, actor=caller.actor)

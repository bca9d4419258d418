"""The administration: for log-ins with a second factor, and every page of it in the audit."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from unfold.sites import UnfoldAdminSite

from coach import tenancy
from coach.desk.door import door
from coach.desk.second_factor import ask, is_fresh
from consent import audit
from consent.audit import PLATFORM

GRAVE_TO_READ = ("consent_auditentry",)
GRAVE_TO_WRITE = ("consent_", "coach_member")


class Desk(UnfoldAdminSite):
    """Unfold's site; who has no verified second factor finds nothing here but the way to it."""

    def has_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(super().has_permission(request)) and user.is_verified()

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Our own log-in page, and then the second factor; the site's own knows only passwords."""
        wanted = urlencode({"next": request.GET.get("next") or reverse("admin:index")})
        step = "second_factor" if request.user.is_authenticated else "login"
        return redirect(f"{reverse(step)}?{wanted}")

    def get_urls(self) -> list[URLPattern]:
        # It reads models, which are not there yet when the site is made.
        from coach.desk import evidence, objectives, playbooks, spending

        own = [
            path("door/", self.admin_view(door), name="door"),
            path("objectives/", self.admin_view(objectives.board), name="objectives"),
            path("spending/", self.admin_view(spending.board), name="spending"),
        ]
        return own + playbooks.urls() + evidence.urls() + list(super().get_urls())

    def admin_view(
        self, view: Callable[..., HttpResponseBase], cacheable: bool = False
    ) -> Callable[..., HttpResponseBase]:
        def witnessed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if _is_grave(request) and not is_fresh(request):
                return ask(request)
            # Before the page is made: what cannot be written down is not shown.
            actor = tenancy.current().actor
            for organisation in _acted_for():
                # Who acts for no organisation leaves a row in the platform's own chain.
                with tenancy.acting(tenancy.of([organisation], actor=actor)):
                    audit.record(
                        "administered",
                        organisation_id=organisation,
                        method=request.method,
                        page=request.path,
                    )
            return view(request, *args, **kwargs)

        # unfold, whose site this is, ships no types.
        return super().admin_view(witnessed, cacheable)  # type: ignore[no-any-return]


def _is_grave(request: HttpRequest) -> bool:
    """Reading the audit, changing what consent means, and acting on a person's data."""
    page = (request.resolver_match.url_name or "") if request.resolver_match else ""
    return page.startswith(GRAVE_TO_READ) or (
        request.method == "POST" and page.startswith(GRAVE_TO_WRITE)
    )


def _acted_for() -> list[UUID]:
    named = tenancy.current().organisations
    return [UUID(key) for key in named.split(",")] if named else [PLATFORM]

"""Playbooks: list, show, and search as the road searches."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from coach.api.base import SessionView, Unavailable, hub_of, run_live
from coach.models import Staff
from rag.errors import RetrievalError
from rag.models import Playbook
from rag.retrieval import MODES, Filters


class PlaybookView(SessionView):
    """Playbooks belong to an organisation; its staff may read them."""

    def owned(self, request: Request) -> Any:
        user = request.user.user  # type: ignore[union-attr]
        places = Staff.objects.filter(user=user).values("organisation")
        return Playbook.objects.filter(organisation_id__in=places).select_related("live_version")

    def one(self, request: Request, playbook_id: UUID) -> Playbook:
        playbook = self.owned(request).filter(id=playbook_id).first()
        if playbook is None:
            raise Http404
        return playbook  # type: ignore[no-any-return]


class Playbooks(PlaybookView):
    @extend_schema(summary="Your organisation's playbooks")
    def get(self, request: Request) -> Response:
        return Response([_summary(p) for p in self.owned(request)])


class PlaybookDetail(PlaybookView):
    @extend_schema(summary="A playbook and its versions")
    def get(self, request: Request, playbook_id: UUID) -> Response:
        playbook = self.one(request, playbook_id)
        versions = playbook.versions.order_by("-number").values("id", "number", "state")
        return Response({**_summary(playbook), "versions": list(versions)})


class PlaybookSearch(PlaybookView):
    @extend_schema(summary="Search a playbook as the road does")
    def get(self, request: Request, playbook_id: UUID) -> Response:
        playbook = self.one(request, playbook_id)
        query = request.query_params.get("q", "").strip()[:500]
        mode = request.query_params.get("mode", "hybrid")
        if not query:
            raise exceptions.ValidationError({"q": ["Say what to look for."]})
        if mode not in MODES:
            raise exceptions.ValidationError({"mode": [f"One of {', '.join(MODES)}."]})
        try:
            limit = min(50, max(1, int(request.query_params.get("limit", "8"))))
        except ValueError:
            raise exceptions.ValidationError({"limit": ["A whole number."]}) from None
        try:
            found = run_live(
                hub_of(request).engines.retrieval.search,
                query,
                organisation_id=playbook.organisation_id,
                playbook_id=playbook.id,
                limit=limit,
                mode=mode,
                filters=Filters(),
                timeout_s=2.0,
            )
        except RetrievalError as exc:
            raise Unavailable("The search did not answer.") from exc
        return Response(
            {
                "mode": mode,
                "times_ms": dict(found.times_ms),
                "results": [
                    {
                        "passage": str(p.id),
                        "entry": p.entry,
                        "title": p.title,
                        "text": p.text,
                        "rank": p.rank,
                        "score": p.score,
                    }
                    for p in found.passages
                ],
            }
        )


def _summary(playbook: Playbook) -> dict[str, Any]:
    live = playbook.live_version
    return {
        "id": str(playbook.id),
        "name": playbook.name,
        "version": live.number if live else None,
    }

"""Suggestions: nudges that an engine outside proposes, past the same gates as our own."""

from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from coach.api.base import SessionView, created, hub_of, run_live
from coach.api.serializers import SuggestionIn
from coach.nudges import suggesting


class Suggestions(SessionView):
    @extend_schema(
        request=SuggestionIn,
        summary="A nudge from an engine outside",
        description=(
            "Masked, gated, and given only to members who allow coaching and are due one. A text"
            " that rests on no passage of the playbook waits for the facilitator, as does every"
            " one in review. Each member's result is `shown`, `held` or `refused`, with a reason."
        ),
    )
    def post(self, request: Request) -> Response:
        suggestion_in = SuggestionIn(data=request.data)
        suggestion_in.is_valid(raise_exception=True)
        wanted = suggestion_in.validated_data
        facilitator = self.facilitator_of(request, wanted["session"])
        if not (wanted.get("text") or wanted.get("passage")):
            raise exceptions.ValidationError({"text": ["A text or a passage is needed."]})
        suggestion = suggesting.Suggestion(
            session=facilitator.session_id,
            member=wanted.get("member"),
            text=wanted.get("text") or "",
            passage=wanted.get("passage"),
            engine=wanted["engine"],
        )
        results = run_live(suggesting.suggest, hub_of(request), suggestion)
        return created({"results": results})

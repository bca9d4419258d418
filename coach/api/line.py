"""The live line over plain HTTP: what was missed, what comes, and what a member says."""

from typing import Any
from uuid import UUID

from django.db import connections
from django.http import Http404, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from coach.api.base import SessionView, Unavailable, hub_of, run_live
from coach.api.serializers import SayIn, WishesIn
from coach.live.delivery import for_eyes
from coach.live.frames import Prefer, Say
from coach.live.hub import Hub
from coach.live.log import History, Place
from coach.live.stream import EventStream
from coach.models import Member
from coach.rooms import wishes
from coach.rooms.access import Caller, rights_of

READ_S = 2.0
AFTER = OpenApiParameter("after", OpenApiTypes.STR, description="The last number you have")


class SessionEvents(SessionView):
    @extend_schema(
        parameters=[AFTER],
        responses={200: OpenApiTypes.OBJECT},
        summary="What you missed, by number, oldest first",
        description=(
            "`seq` is the newest number and `first` the oldest that is still kept. With `resync`"
            " what follows your number is not there: forget what you have, and go on from these"
            " events, which then begin at `first`. So do you when `epoch` is not the one you know."
        ),
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        member = self.member_of(request, session_id)
        hub, after = hub_of(request), _after(request)
        history = _read(hub, member, after)
        resync = not history.goes_on(after)
        if resync:
            history = _read(hub, member, 0)
        events = [
            for_eyes(hub, session_id, member.id, member.role, dict(frame))
            for frame in history.events
        ]
        body = {"epoch": str(history.epoch), "seq": history.seq, "first": history.first}
        return Response({**body, "resync": resync, "events": events})


class EventStreamRenderer(JSONRenderer):
    """Lets a client ask for events; what goes wrong before the first is still told in JSON."""

    media_type = "text/event-stream"
    format = "events"


class SessionStream(SessionView):
    renderer_classes = [EventStreamRenderer, JSONRenderer]

    @extend_schema(
        summary="The frames of the socket as server-sent events",
        description=(
            "A durable frame has the id `epoch.seq`; send the last one back as `Last-Event-ID`, or"
            " as `place`, to go on after it. The last event is `closed`, with the socket's code:"
            " come back unless it is 4403."
        ),
        parameters=[
            OpenApiParameter("place", OpenApiTypes.STR, description="The last id, `epoch.seq`"),
            OpenApiParameter("Last-Event-ID", OpenApiTypes.STR, OpenApiParameter.HEADER),
        ],
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def get(self, request: Request, session_id: UUID) -> StreamingHttpResponse:
        member = self.member_of(request, session_id)
        hub = hub_of(request)
        if hub.draining:
            raise Unavailable("This worker is about to end; another one serves you.")
        caller: Caller = request.user  # type: ignore[assignment]
        key = request._request.session.session_key if request.auth == "cookie" else None
        last = request.headers.get("Last-Event-ID") or request.query_params.get("place", "")
        stream = EventStream(hub, member, rights_of(caller, member, key), Place.parse(last))
        # The thread of this request lives as long as its response; its connections need not.
        connections.close_all()
        return StreamingHttpResponse(
            stream.body(),
            content_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


class SessionUtterances(SessionView):
    @extend_schema(summary="Your own utterances, as they are stored: masked")
    def get(self, request: Request, session_id: UUID) -> Response:
        member = self.member_of(request, session_id)
        rows = member.utterances.values(
            "id", "text", "act", "outcome", "reason", "accepted_at", "client_msg_id"
        ).order_by("-accepted_at")[:200]
        return Response(list(rows))

    @extend_schema(
        request=SayIn,
        responses={202: OpenApiTypes.OBJECT},
        summary="Say something; what comes of it is in the events",
        description=(
            "The same `client_msg_id` with the same text gives the stored `outcome`, and with other"
            " text 409. 503 with `Retry-After`: not now, say it again with the same id."
        ),
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        member = self.member_of(request, session_id)
        say_in = SayIn(data=request.data)
        say_in.is_valid(raise_exception=True)
        say = Say(**say_in.validated_data)
        hub = hub_of(request)
        said = run_live(
            hub.say, say, session=session_id, member=member.id, audience=member.audience
        )
        outcome: dict[str, Any] | None = None
        if said.outcome is not None:
            outcome = for_eyes(hub, session_id, member.id, member.role, dict(said.outcome))
        body = {
            "client_msg_id": str(say.client_msg_id),
            "utterance": str(said.utterance),
            "outcome": outcome,
        }
        return Response(body, status=status.HTTP_202_ACCEPTED)


class OneUtterance(SessionView):
    @extend_schema(request=None, responses={204: None}, summary="Never mind that one")
    def delete(self, request: Request, session_id: UUID, client_msg_id: UUID) -> Response:
        member = self.member_of(request, session_id)
        run_live(hub_of(request).cancel_by_key, session_id, member.id, client_msg_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Wishes(SessionView):
    @extend_schema(request=WishesIn, summary="How many nudges you want, and a pause from them")
    def post(self, request: Request, session_id: UUID) -> Response:
        member = self.member_of(request, session_id)
        wishes_in = WishesIn(data=request.data)
        wishes_in.is_valid(raise_exception=True)
        wish = Prefer(**wishes_in.validated_data)
        return Response(run_live(wishes.prefer, hub_of(request), session_id, member.id, wish))


def _read(hub: Hub, member: Member, after: int) -> History:
    history: History | None = run_live(
        hub.engines.log.replay, member.session_id, member.audience, after=after, timeout_s=READ_S
    )
    if history is None:
        raise Http404
    return history


def _after(request: Request) -> int:
    try:
        return min(max(0, int(request.query_params.get("after", "0"))), 2**62)
    except ValueError:
        raise exceptions.ValidationError({"after": ["A whole number from 0."]}) from None

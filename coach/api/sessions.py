"""Sessions: join, list, show, control, read what happened."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle

from coach.api.authentication import enforce_csrf
from coach.api.base import SessionView, admit_session, created, hub_of, read_notice, run_live
from coach.api.guessing import may_try, missed
from coach.api.serializers import (
    ControlIn,
    FeedbackIn,
    JoinIn,
    SessionIn,
    SessionOut,
)
from coach.live.frames import Control, Judge
from coach.models import Member, Nudge, Session, Staff
from coach.ops.language import language_of
from coach.reports.summary import summarise
from coach.rooms import control, feedback
from coach.rooms.access import remember
from coach.rooms.joining import CannotJoin, join
from rag.models import Playbook


class JoinThrottle(AnonRateThrottle):
    """A hall full of people behind one address still fits."""

    rate = "300/min"


class Join(SessionView):
    permission_classes = [AllowAny]
    throttle_classes = [JoinThrottle]

    @extend_schema(request=JoinIn, summary="Join a session with a code and your own choices")
    def post(self, request: Request) -> Response:
        if request.headers.get("Cookie"):
            enforce_csrf(request)
        may_try(request)
        admit_session(request)
        join_in = JoinIn(data=request.data)
        join_in.is_valid(raise_exception=True)
        wanted = join_in.validated_data
        chosen: dict[str, list[str]] = {}
        for choice in wanted["consent"]:
            chosen.setdefault(choice["purpose"], []).extend(choice["fields"])
        try:
            joined = join(
                wanted["code"],
                display_name=wanted["display_name"],
                goal=wanted["goal"],
                profile_note=wanted["profile_note"],
                consent=chosen,
                notice=read_notice(wanted["notice"]),
                language=language_of(request._request),
            )
        except CannotJoin:
            raise missed(request) from None
        member = joined.member
        remember(request._request.session, member)
        run_live(control.tell_roster, hub_of(request), member.session_id, member.id)
        return created(
            {
                "session": str(member.session_id),
                "member": str(member.id),
                "token": joined.token,
                "ws": f"/ws/sessions/{member.session_id}/",
                "receipt": joined.receipt,
            }
        )


class Sessions(SessionView):
    @extend_schema(responses=SessionOut(many=True), summary="Sessions you facilitate")
    def get(self, request: Request) -> Response:
        user: Any = request.user.user  # type: ignore[union-attr]
        rows = Session.objects.facilitated_by(user)[:200] if user else Session.objects.none()
        return Response(SessionOut(rows, many=True).data)

    @extend_schema(request=SessionIn, responses=SessionOut, summary="Open a session")
    def post(self, request: Request) -> Response:
        user: Any = request.user.user  # type: ignore[union-attr]
        place = Staff.objects.select_related("organisation").filter(user=user).first()
        if user is None or place is None:
            raise exceptions.PermissionDenied("Only facilitators open sessions.")
        admit_session(request)
        session_in = SessionIn(data=request.data)
        session_in.is_valid(raise_exception=True)
        wanted = session_in.validated_data
        playbooks = Playbook.objects.filter(
            organisation_id=place.organisation_id, live_version__isnull=False
        )
        playbook = (
            playbooks.filter(id=wanted["playbook"]).first()
            if wanted["playbook"]
            else playbooks.order_by("created_at").first()
        )
        if wanted["playbook"] and playbook is None:
            raise exceptions.ValidationError({"playbook": ["There is no such playbook."]})
        session = Session.objects.create(
            organisation=place.organisation,
            facilitator=user,
            playbook=playbook,
            title=wanted["title"],
            mode=wanted["mode"],
            cooldown_s=wanted["cooldown_s"],
        )
        return created(SessionOut(session).data)


class SessionDetail(SessionView):
    @extend_schema(summary="One session, as you may see it")
    def get(self, request: Request, session_id: UUID) -> Response:
        member = self.member_of(request, session_id)
        session = Session.objects.select_related("playbook__live_version").get(id=session_id)
        facilitates = member.role == Member.Role.FACILITATOR
        body: dict[str, Any] = {
            **SessionOut(session).data,
            "role": member.role,
            "me": {"member": str(member.id), "name": member.display_name},
            "playbook": _playbook(session.playbook),
        }
        if facilitates:
            body["members"] = run_live(_members, hub_of(request), session_id)
        else:
            del body["join_code"]
        return Response(body)


async def _members(hub: Any, session_id: UUID) -> list[dict[str, Any]]:
    room = await hub.room(session_id, fresh=True)
    described = [await control.describe_member(hub, room, seat.member) for seat in room.seats]
    return [entry for entry in described if entry is not None]


def _playbook(playbook: Playbook | None) -> dict[str, Any] | None:
    if playbook is None:
        return None
    live = playbook.live_version
    return {
        "id": str(playbook.id),
        "name": playbook.name,
        "version": live.number if live else None,
    }


class SessionControl(SessionView):
    @extend_schema(request=ControlIn, summary="Pause, resume, kill, release, send ...")
    def post(self, request: Request, session_id: UUID) -> Response:
        member = self.facilitator_of(request, session_id)
        control_in = ControlIn(data=request.data)
        control_in.is_valid(raise_exception=True)
        wanted = {k: v for k, v in control_in.validated_data.items() if v is not None}
        run_live(
            control.apply, hub_of(request), session_id, member.id, member.role, Control(**wanted)
        )
        return Response({"done": wanted["action"]})


class SessionEnd(SessionView):
    @extend_schema(request=None, summary="End a session")
    def post(self, request: Request, session_id: UUID) -> Response:
        member = self.facilitator_of(request, session_id)
        run_live(control.apply, hub_of(request), session_id, member.id, member.role, Control("end"))
        return Response({"done": "end"})


class SessionNudges(SessionView):
    @extend_schema(summary="Nudges you may see, newest first")
    def get(self, request: Request, session_id: UUID) -> Response:
        member = self.member_of(request, session_id)
        rows = Nudge.objects.filter(session_id=session_id)
        if member.role != Member.Role.FACILITATOR:
            rows = rows.filter(member=member, state=Nudge.State.SHOWN)
        shown = rows.values(
            "id", "member", "utterance", "text", "citations", "source", "reason", "state",
            "first_ms", "total_ms", "created_at",
        )  # fmt: skip
        return Response(list(shown[:200]))


class SessionSummary(SessionView):
    @extend_schema(summary="Talk balance, acceptance, outcomes and times of a session")
    def get(self, request: Request, session_id: UUID) -> Response:
        return Response(summarise(self.facilitator_of(request, session_id).session_id))


class NudgeFeedback(SessionView):
    @extend_schema(request=FeedbackIn, summary="Accept, edit, dismiss, snooze, report")
    def post(self, request: Request, nudge_id: UUID) -> Response:
        member = self.member_of(request, _session_of(nudge_id))
        feedback_in = FeedbackIn(data=request.data)
        feedback_in.is_valid(raise_exception=True)
        wanted = feedback_in.validated_data
        judge = Judge(nudge_id, wanted["verdict"], wanted.get("text", ""))
        run_live(feedback.record, hub_of(request), member.session_id, member.id, judge)
        return created({"nudge": str(nudge_id), "verdict": judge.verdict})


class NudgeWhy(SessionView):
    @extend_schema(summary="Why this nudge: its passages, the fields it used, what was withheld")
    def get(self, request: Request, nudge_id: UUID) -> Response:
        member = self.member_of(request, _session_of(nudge_id))
        nudge = Nudge.objects.get(id=nudge_id)
        facilitates = member.role == Member.Role.FACILITATOR
        if not facilitates and nudge.member_id != member.id:
            raise Http404
        trace = nudge.trace
        body = {
            "nudge": str(nudge.id),
            "source": nudge.source,
            "reason": nudge.reason,
            "citations": nudge.citations,
            "signals": {"act": trace.get("act") or None},
            "fields_used": trace.get("fields_used", []),
            "withheld": trace.get("withheld", []),
            "route": trace.get("route") or None,
            "first_ms": nudge.first_ms,
            "total_ms": nudge.total_ms,
        }
        if facilitates:
            body |= {"stages": trace.get("stages", []), "passages": trace.get("passages", [])}
        return Response(body)


def _session_of(nudge_id: UUID) -> UUID:
    found = Nudge.objects.filter(id=nudge_id).values_list("session_id", flat=True).first()
    if found is None:
        raise Http404
    return found

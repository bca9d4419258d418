"""Reflections and summaries: ask for one, watch it being written, stop it, read it."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from coach.api.base import Conflict, SessionView, hub_of, run_live
from coach.live.hub import Hub
from coach.models import Member, Session
from coach.reports import writer
from coach.reports.models import Report


class ReportView(SessionView):
    """A participant has reflections of their own; facilitators have the session's summaries."""

    def own(self, member: Member) -> "QuerySet[Report]":
        rows = Report.objects.filter(session_id=member.session_id)
        if member.role == Member.Role.FACILITATOR:
            return rows.filter(kind=Report.Kind.SUMMARY)
        return rows.filter(kind=Report.Kind.REFLECTION, member=member)


class Reports(ReportView):
    @extend_schema(summary="Your reflections, or the session's summaries, newest first")
    def get(self, request: Request, session_id: UUID) -> Response:
        return Response([_body(row) for row in self.own(self.member_of(request, session_id))[:20]])

    @extend_schema(request=None, summary="Have one written; only after the session has ended")
    def post(self, request: Request, session_id: UUID) -> Response:
        member = self.member_of(request, session_id)
        if not Session.objects.filter(id=session_id, status=Session.Status.ENDED).exists():
            raise Conflict("A session is looked back on once it is over.")
        now = timezone.now()
        running = self.own(member).filter(state=Report.State.RUNNING)
        if not all(row.is_lost(now) for row in running):
            raise Conflict("It is being written already.")
        participant = None if member.role == Member.Role.FACILITATOR else member.id
        report = run_live(_start, hub_of(request), session_id, participant)
        return Response({"report": str(report)}, status=status.HTTP_202_ACCEPTED)


class OneReport(ReportView):
    @extend_schema(summary="A report and how far it is")
    def get(self, request: Request, session_id: UUID, report_id: UUID) -> Response:
        return Response(_body(self.one(request, session_id, report_id)))

    @extend_schema(summary="Stop a report that is being written, or delete one")
    def delete(self, request: Request, session_id: UUID, report_id: UUID) -> Response:
        row = self.one(request, session_id, report_id)
        if row.state == Report.State.RUNNING:
            run_live(writer.cancel, hub_of(request), session_id, report_id)
        else:
            row.delete()
        return Response(status=status.HTTP_204_NO_CONTENT)

    def one(self, request: Request, session_id: UUID, report_id: UUID) -> Report:
        row = self.own(self.member_of(request, session_id)).filter(id=report_id).first()
        if row is None:
            raise Http404
        return row


async def _start(hub: Hub, session_id: UUID, participant: UUID | None) -> UUID:
    room = await hub.room(session_id, fresh=True)
    if room is None:
        raise Http404
    kind = Report.Kind.SUMMARY if participant is None else Report.Kind.REFLECTION
    return await writer.start(hub, room, kind.value, participant)


def _body(row: Report) -> dict[str, Any]:
    lost = row.is_lost(timezone.now())
    return {
        "report": str(row.id),
        "kind": row.kind,
        "state": Report.State.FAILED if lost else row.state,
        "percent": row.progress,
        "points": row.points,
        "source": row.source,
        "reason": "interrupted" if lost else row.reason,
        "created_at": row.created_at,
    }

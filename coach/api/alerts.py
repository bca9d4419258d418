"""Alerts: what needs a person, and which person has seen to it."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from coach.api.base import SessionView, hub_of, run_live
from coach.models import Alert
from coach.rooms import alerts


class SessionAlerts(SessionView):
    @extend_schema(summary="Alerts of a session: those nobody has seen to first")
    def get(self, request: Request, session_id: UUID) -> Response:
        return Response(alerts.listed(self.facilitator_of(request, session_id).session_id))


class AcknowledgeAlert(SessionView):
    @extend_schema(request=None, summary="I am seeing to this one; whoever is first stays named")
    def post(self, request: Request, alert_id: UUID) -> Response:
        session_id = Alert.objects.filter(id=alert_id).values_list("session_id", flat=True).first()
        if session_id is None:
            raise Http404
        member = self.facilitator_of(request, session_id)
        alert, is_first = alerts.acknowledge(alert_id, member)
        if is_first:
            run_live(alerts.tell_acknowledged, hub_of(request), alert)
        body: dict[str, Any] = alerts.described(alert)
        return Response(body)

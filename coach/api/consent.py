"""A person's own rights: what they allowed, what was shared, and taking it back."""

from uuid import UUID

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from coach.api.base import SessionView, hub_of, run_live
from coach.api.serializers import ChoiceIn, EraseIn, WithdrawIn
from coach.models import Member
from coach.rooms import control
from coach.rooms.joining import open_session
from coach.rooms.rights import erase_member, export_member
from consent import choices
from consent.models import Purpose, Record


class NoticeView(SessionView):
    permission_classes = [AllowAny]

    @extend_schema(summary="The notice and the choices, before joining")
    def get(self, request: Request) -> Response:
        session = open_session(request.query_params.get("code", ""))
        if session is None:
            raise exceptions.NotFound("There is no open session with this code.")
        notice = choices.current_notice()
        return Response(
            {
                "session": {"id": str(session.id), "title": session.title},
                "notice": {
                    "id": notice.id,
                    "version": notice.version,
                    "locale": notice.locale,
                    "title": notice.title,
                    "text": notice.text,
                },
                "purposes": [
                    {
                        "key": purpose.key,
                        "title": purpose.title,
                        "why": purpose.why,
                        "retention_days": purpose.retention_days,
                        "fields": [
                            {
                                "key": rule.field.key,
                                "title": rule.field.title,
                                "why": rule.field.why,
                                "special": rule.field.special,
                            }
                            for rule in purpose.rules.all()
                        ],
                    }
                    for purpose in _purposes()
                ],
            }
        )


class OwnView(SessionView):
    """Only the person themself: a facilitator has no consents to look at here."""

    def subject(self, request: Request) -> Member:
        try:
            session_id = UUID(request.query_params.get("session", ""))
        except ValueError:
            raise exceptions.ValidationError({"session": ["Name your session."]}) from None
        caller_member = self.member_of(request, session_id)
        if caller_member.role != Member.Role.PARTICIPANT:
            raise Http404
        return caller_member


class Records(OwnView):
    @extend_schema(summary="What you allow now")
    def get(self, request: Request) -> Response:
        member = self.subject(request)
        live = {
            (r.purpose_id, r.field_id): r.granted_at
            for r in Record.objects.live(at=timezone.now()).filter(subject=member.id)
        }
        return Response(
            {
                "subject": str(member.id),
                "notice": choices.current_notice().version,
                "purposes": [
                    {
                        "key": purpose.key,
                        "title": purpose.title,
                        "why": purpose.why,
                        "fields": [
                            {
                                "key": rule.field.key,
                                "title": rule.field.title,
                                "special": rule.field.special,
                                "granted": (purpose.key, rule.field.key) in live,
                                "since": live.get((purpose.key, rule.field.key)),
                            }
                            for rule in purpose.rules.all()
                        ],
                    }
                    for purpose in _purposes()
                ],
            }
        )


class Grant(OwnView):
    @extend_schema(request=ChoiceIn, summary="Allow fields for a purpose")
    def post(self, request: Request) -> Response:
        member = self.subject(request)
        choice = ChoiceIn(data=request.data)
        choice.is_valid(raise_exception=True)
        wanted = choice.validated_data
        choices.grant(member.id, {wanted["purpose"]: wanted["fields"]})
        run_live(
            control.tell_consent, hub_of(request), member.session_id, member.id, withdrawn=False
        )
        return Response(choices.receipt(member.id))


class Withdraw(OwnView):
    @extend_schema(request=WithdrawIn, summary="Take consent back, whole or in part")
    def post(self, request: Request) -> Response:
        member = self.subject(request)
        withdraw_in = WithdrawIn(data=request.data)
        withdraw_in.is_valid(raise_exception=True)
        wanted = withdraw_in.validated_data
        choices.withdraw(member.id, wanted["purpose"], wanted["fields"])
        run_live(
            control.tell_consent, hub_of(request), member.session_id, member.id, withdrawn=True
        )
        return Response(choices.receipt(member.id))


class Receipts(OwnView):
    @extend_schema(summary="A receipt of your choices as they are now")
    def get(self, request: Request) -> Response:
        return Response({"results": [choices.receipt(self.subject(request).id)]})


class Disclosures(OwnView):
    @extend_schema(summary="Every time something about you was shared: when, what, with whom")
    def get(self, request: Request) -> Response:
        return Response({"results": choices.disclosures(self.subject(request).id)})


class Export(OwnView):
    @extend_schema(summary="Everything there is about you")
    def get(self, request: Request) -> Response:
        return Response(export_member(self.subject(request)))


class Erase(OwnView):
    @extend_schema(request=EraseIn, summary="Erase what there is about you, for good")
    def post(self, request: Request) -> Response:
        member = self.subject(request)
        erase_in = EraseIn(data=request.data)
        erase_in.is_valid(raise_exception=True)
        run_live(
            control.tell_consent, hub_of(request), member.session_id, member.id, withdrawn=True
        )
        erased = erase_member(member)
        run_live(control.tell_erased, hub_of(request), member.session_id)
        return Response(erased)


def _purposes() -> list[Purpose]:
    if not Purpose.objects.exists():
        choices.seed()
    return list(Purpose.objects.prefetch_related("rules__field"))

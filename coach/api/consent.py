"""A person's own rights: what they allowed, what was shared, and taking it back."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from coach import tenancy
from coach.api.base import SessionView, hub_of, read_notice, run_live
from coach.api.guessing import may_try, missed
from coach.api.serializers import CorrectIn, EraseIn, GrantIn, WithdrawIn
from coach.models import Member
from coach.rooms import control
from coach.rooms.joining import open_session
from coach.rooms.rights import correct_member, erase_member, export_member, receipt
from consent import choices, notices, receipts
from consent.errors import ReceiptInvalid
from consent.models import Notice, Record


class NoticeView(SessionView):
    permission_classes = [AllowAny]

    @extend_schema(summary="The notice and the choices, before joining")
    def get(self, request: Request) -> Response:
        may_try(request)
        session = open_session(request.query_params.get("code", ""))
        if session is None:
            raise missed(request)
        notice = notices.current(_locale(request))
        scope = tenancy.of([session.organisation_id], actor="join-code")
        with tenancy.acting(scope):
            shown = notices.shown_to(session.organisation_id, notice)
        return Response(
            {
                "session": {"id": str(session.id), "title": session.title},
                "notice": _notice(notice, shown),
                "purposes": shown["purposes"],
            }
        )


def _notice(notice: Notice, shown: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": notice.id,
        "version": notice.version,
        "locale": notice.locale,
        "title": shown["title"],
        "text": shown["text"],
    }


def _locale(request: Request) -> str:
    """The language asked for or chosen, else the first of the browser's with a notice in it."""
    asked = request.query_params.get("locale", "")
    chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    parts = request.headers.get("Accept-Language", "").split(",")
    accepted = [part.partition(";")[0].strip().partition("-")[0] for part in parts]
    known = set(Notice.objects.values_list("locale", flat=True))
    return next(
        (locale for locale in (asked, chosen, *accepted) if locale in known), notices.FALLBACK
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
    @extend_schema(summary="What you allow now, and whether a newer notice asks you again")
    def get(self, request: Request) -> Response:
        member = self.subject(request)
        notice = notices.current(_locale(request))
        shown = notices.shown_to(member.organisation_id, notice)
        live = {
            (r.purpose_id, r.field_id): r for r in Record.objects.live().filter(subject=member.id)
        }
        return Response(
            {
                "subject": str(member.id),
                "notice": _notice(notice, shown),
                "asks_again": choices.asked_again(member.id),
                "purposes": [
                    {**purpose, "fields": [_choice(purpose, f, live) for f in purpose["fields"]]}
                    for purpose in shown["purposes"]
                ],
            }
        )


def _choice(
    purpose: dict[str, Any], field: dict[str, Any], live: dict[tuple[str, str], Record]
) -> dict[str, Any]:
    record = live.get((purpose["key"], field["key"]))
    return {
        **field,
        "granted": record is not None,
        "since": record.granted_at if record else None,
        "until": record.expires_at if record else None,
    }


class Grant(OwnView):
    @extend_schema(request=GrantIn, summary="Allow fields for a purpose")
    def post(self, request: Request) -> Response:
        member = self.subject(request)
        grant_in = GrantIn(data=request.data)
        grant_in.is_valid(raise_exception=True)
        wanted = grant_in.validated_data
        choices.grant(
            member.id,
            {wanted["purpose"]: wanted["fields"]},
            notice=read_notice(wanted["notice"]),
            how="my data",
        )
        run_live(
            control.tell_consent, hub_of(request), member.session_id, member.id, withdrawn=False
        )
        return Response(receipt(member, "consent"))


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
        return Response(receipt(member, "withdrawal", purpose=wanted["purpose"]))


class OwnWords(OwnView):
    @extend_schema(summary="What you wrote about yourself")
    def get(self, request: Request) -> Response:
        return Response({"about_you": choices.stored_values(self.subject(request).id)})


class Correct(OwnView):
    @extend_schema(request=CorrectIn, summary="Put right what you wrote about yourself")
    def post(self, request: Request) -> Response:
        member = self.subject(request)
        correct_in = CorrectIn(data=request.data)
        correct_in.is_valid(raise_exception=True)
        corrected = correct_member(member, correct_in.validated_data)
        run_live(control.tell_roster, hub_of(request), member.session_id, member.id)
        return Response(corrected)


class Receipts(OwnView):
    @extend_schema(summary="Every receipt you were given, newest first")
    def get(self, request: Request) -> Response:
        return Response({"results": receipts.given(self.subject(request).id)})


class VerifyReceipt(SessionView):
    permission_classes = [AllowAny]

    @extend_schema(summary="Is this receipt one of ours, as it was given?")
    def post(self, request: Request) -> Response:
        try:
            issued = receipts.verify(request.data)
        except ReceiptInvalid as exc:
            return Response({"valid": False, "reason": str(exc)})
        return Response({"valid": True, "issued_at": issued})


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

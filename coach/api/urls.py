from django.urls import path

from coach.api import alerts, consent, line, playbooks, reports, sessions, suggestions

urlpatterns = [
    path("sessions/join", sessions.Join.as_view()),
    path("sessions/join/", sessions.Join.as_view(), name="api-join"),
    path("sessions/", sessions.Sessions.as_view(), name="api-sessions"),
    path("sessions/<uuid:session_id>/", sessions.SessionDetail.as_view(), name="api-session"),
    path("sessions/<uuid:session_id>/events/", line.SessionEvents.as_view()),
    path("sessions/<uuid:session_id>/stream/", line.SessionStream.as_view(), name="api-stream"),
    path("sessions/<uuid:session_id>/control/", sessions.SessionControl.as_view()),
    path("sessions/<uuid:session_id>/end/", sessions.SessionEnd.as_view()),
    path("sessions/<uuid:session_id>/utterances/", line.SessionUtterances.as_view()),
    path(
        "sessions/<uuid:session_id>/utterances/<uuid:client_msg_id>/", line.OneUtterance.as_view()
    ),
    path("sessions/<uuid:session_id>/wishes/", line.Wishes.as_view()),
    path("sessions/<uuid:session_id>/alerts/", alerts.SessionAlerts.as_view()),
    path("alerts/<uuid:alert_id>/acknowledge/", alerts.AcknowledgeAlert.as_view()),
    path("sessions/<uuid:session_id>/nudges/", sessions.SessionNudges.as_view()),
    path("sessions/<uuid:session_id>/summary/", sessions.SessionSummary.as_view()),
    path("sessions/<uuid:session_id>/reports/", reports.Reports.as_view()),
    path("sessions/<uuid:session_id>/reports/<uuid:report_id>/", reports.OneReport.as_view()),
    path("nudges/<uuid:nudge_id>/feedback/", sessions.NudgeFeedback.as_view()),
    path("nudges/<uuid:nudge_id>/why/", sessions.NudgeWhy.as_view()),
    path("suggestions/", suggestions.Suggestions.as_view()),
    path("playbooks/", playbooks.Playbooks.as_view()),
    path("playbooks/<uuid:playbook_id>/", playbooks.PlaybookDetail.as_view()),
    path("playbooks/<uuid:playbook_id>/search/", playbooks.PlaybookSearch.as_view()),
    path("consent/notice/", consent.NoticeView.as_view()),
    path("consent/records/", consent.Records.as_view()),
    path("consent/grant/", consent.Grant.as_view()),
    path("consent/withdraw/", consent.Withdraw.as_view()),
    path("consent/own-words/", consent.OwnWords.as_view()),
    path("consent/correct/", consent.Correct.as_view()),
    path("consent/receipts/", consent.Receipts.as_view()),
    path("consent/verify/", consent.VerifyReceipt.as_view()),
    path("consent/disclosures/", consent.Disclosures.as_view()),
    path("consent/export/", consent.Export.as_view()),
    path("consent/erase/", consent.Erase.as_view()),
]

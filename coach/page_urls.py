from django.urls import path

from coach import pages

urlpatterns = [
    path("", pages.landing, name="landing"),
    path("join/", pages.join, name="join"),
    path("sessions/<uuid:session_id>/", pages.room, name="room"),
    path("sessions/<uuid:session_id>/my-data/", pages.my_data, name="my_data"),
    path("receipt/", pages.receipt, name="receipt"),
    path("sessions/<uuid:session_id>/my-data/export/", pages.my_export, name="my_export"),
    path("console/", pages.console, name="console"),
    path("console/<uuid:session_id>/", pages.board, name="board"),
    path("console/<uuid:session_id>/summary/", pages.handover, name="handover"),
    path("console/<uuid:session_id>/replay/", pages.replay, name="replay"),
    path("offline/", pages.offline, name="offline"),
    path("favicon.ico", pages.favicon),
    path("manifest.webmanifest", pages.manifest, name="manifest"),
    path("sw.js", pages.service_worker, name="service_worker"),
]

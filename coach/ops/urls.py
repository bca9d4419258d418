from django.urls import path

from coach.ops import health

urlpatterns = [
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", health.metrics),
    path("metrics/summary", health.metrics_summary),
    path("metrics/alerts", health.metrics_alerts),
]

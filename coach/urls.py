from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from coach.desk.login import PatientLogin
from coach.desk.second_factor import second_factor

urlpatterns = [
    path("", include("coach.page_urls")),
    path("api/v1/", include("coach.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("", include("coach.ops.urls")),
    path("accounts/second-factor/", second_factor, name="second_factor"),
    path("accounts/login/", LoginView.as_view(authentication_form=PatientLogin), name="login"),
    path("accounts/", include("django.contrib.auth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
]

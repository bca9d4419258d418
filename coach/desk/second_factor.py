"""The second factor: a code from an app, asked for at the desk and again for what is grave."""

import base64
import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

import django_otp
from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django_otp.plugins.otp_totp.models import TOTPDevice

FRESH_S = 10 * 60
SINCE = "second_factor_at"


class CodeForm(forms.Form):
    code = forms.CharField(max_length=12, strip=True)


def is_fresh(request: HttpRequest) -> bool:
    """Whether this browser gave a code in the last ten minutes."""
    user: Any = request.user
    given = float(request.session.get(SINCE, 0))
    return user.is_verified() and time.time() - given <= FRESH_S


def grave(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view, behind a code that is at most ten minutes old."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_fresh(request):
            return ask(request)
        return view(request, *args, **kwargs)

    return guarded


def ask(request: HttpRequest) -> HttpResponse:
    """To the page that asks for a code, and back here."""
    back = request.get_full_path() if request.method == "GET" else request.path
    return redirect(f"{reverse('second_factor')}?{urlencode({'next': back})}")


@never_cache
@login_required
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for a code; who has no device yet is given a secret for one first.

    django-otp makes each wrong code double the wait before the next is looked at.
    """
    form = CodeForm(request.POST or None)
    device = _device(request.user)
    refused = False
    if request.method == "POST" and form.is_valid():
        code = form.cleaned_data["code"].replace(" ", "")
        if django_otp.verify_token(request.user, device.persistent_id, code):
            return _accept(request, device)
        refused = True
    secret = "" if device.confirmed else base64.b32encode(device.bin_key).decode().rstrip("=")
    return render(
        request,
        "pages/second_factor.html",
        {"secret": secret, "refused": refused, "next": request.GET.get("next", "")},
    )


def _accept(request: HttpRequest, device: TOTPDevice) -> HttpResponse:
    if not device.confirmed:
        TOTPDevice.objects.filter(pk=device.pk).update(confirmed=True)
    django_otp.login(request, device)
    request.session[SINCE] = time.time()
    wanted = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure())
    return redirect(wanted if safe else reverse("admin:index"))


def _device(user: Any) -> TOTPDevice:
    """This log-in's device; one to be set up, where it has none."""
    known = TOTPDevice.objects.filter(user=user).order_by("-confirmed", "id").first()
    return known or TOTPDevice.objects.create(user=user, name="app", confirmed=False)

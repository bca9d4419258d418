"""The language that a page is in."""

import re

from django.conf import settings
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

# The tags that crisis cards are found by: a language, and perhaps where it is spoken.
TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")


def language_of(request: HttpRequest) -> str:
    """The language somebody chose, else the first their browser asks for: `de`, `en-GB` or ""."""
    first = request.headers.get("Accept-Language", "").split(",")[0].partition(";")[0].strip()
    tag = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) or first
    return tag if TAG.fullmatch(tag) else ""


class PageLanguage(LocaleMiddleware):
    """The language somebody chose, or else their browser's; the desk has the operator's."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path.startswith("/admin/"):
            translation.activate(settings.LANGUAGE_CODE)
            request.LANGUAGE_CODE = translation.get_language()
        else:
            super().process_request(request)

"""Every word of the interface is there in every language, and means to be filled in alike."""

import http.client
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import translation

from coach import catalogues
from coach.catalogues import LANGUAGES
from coach.ops.language import PageLanguage
from consent import notices
from consent.registry import FIELDS, PURPOSES
from safety import crisis

TO_FILL_IN = "Run `manage.py catalogues`, and fill in what it names."


def forms(message: Any) -> tuple[str, ...]:
    return (message,) if isinstance(message, str) else tuple(message)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_of_templates_and_code_is_translated(language):
    catalogue = catalogues.read(language)
    written = {message.id for message in catalogue if message.id}
    assert written == set(catalogues.messages()), TO_FILL_IN
    assert catalogues.missing(catalogue) == [], TO_FILL_IN


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_fills_in_what_its_message_does(language):
    off = [
        (message.id, words)
        for message in catalogues.read(language)
        for words in forms(message.string)
        if message.id
        and catalogues.placeholders(words) != catalogues.placeholders(forms(message.id)[0])
    ]
    assert off == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language):
    compiled = catalogues.po_path(language).with_suffix(".mo").read_bytes()
    assert compiled == catalogues.compiled(catalogues.read(language)), TO_FILL_IN


@pytest.mark.parametrize("language", LANGUAGES)
def test_plural_forms_are_those_of_the_language(language):
    with translation.override(language):
        said = {translation.ngettext("%(n)d turn", "%(n)d turns", n) for n in (1, 2, 3, 11, 100)}
    assert len(said) == {"de": 2, "ar": 4}[language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_consent_is_asked_for_in_every_language_and_whole(language):
    words = notices.built_in(language)
    assert set(words.purposes) == {seed.key.value for seed in PURPOSES}
    assert set(words.fields) == {seed.key.value for seed in FIELDS}
    assert all(all(pair) for pair in (*words.purposes.values(), *words.fields.values()))


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_in_danger_is_in_every_language(language):
    assert crisis.card(language) != crisis.card("en")


@dataclass(frozen=True)
class Answer:
    headers: Message
    body: str


def ask(
    url: str, *, accepts: str = "", chosen: str = "", form: dict[str, str] | None = None
) -> Answer:
    """The answer itself, wherever it points to; `form` is posted as a page of ours would."""
    token = "0" * 32
    cookies = f"csrftoken={token}" + (f"; {settings.LANGUAGE_COOKIE_NAME}={chosen}" * bool(chosen))
    headers = {"Accept-Language": accepts, "Cookie": cookies, "X-CSRFToken": token}
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc)) as line:
        if form is None:
            line.request("GET", parts.path, headers=headers)
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            line.request("POST", parts.path, urlencode(form), headers)
        answer = line.getresponse()
        return Answer(answer.headers, answer.read().decode())


@pytest.mark.parametrize(
    ("accepts", "chosen", "opening"),
    [
        ("de-AT,en;q=0.5", "", '<html lang="de" dir="ltr">'),
        ("ar-EG,fr;q=0.5", "", '<html lang="ar" dir="rtl">'),
        ("fr,pt;q=0.5", "", '<html lang="en" dir="ltr">'),
        ("de", "ar", '<html lang="ar" dir="rtl">'),
        ("ar", "xx", '<html lang="ar" dir="rtl">'),
    ],
)
@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/receipt/"])
def test_a_page_speaks_as_was_chosen_or_else_as_the_browser_asks(
    live_server_url, path, accepts, chosen, opening
):
    assert opening in ask(live_server_url + path, accepts=accepts, chosen=chosen).body


@pytest.mark.parametrize(("path", "language"), [("/admin/", "en"), ("/console/", "ar")])
def test_the_desk_speaks_the_operators_language(path, language):
    request = RequestFactory().get(path, headers={"accept-language": "ar"})
    with translation.override("de"):
        PageLanguage(lambda _: HttpResponse()).process_request(request)
        assert translation.get_language() == language


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [("/join/?code=ABC", "/join/?code=ABC"), ("https://evil.example/", "/"), ("", "/")],
)
def test_a_choice_is_kept_and_leads_back_to_the_page(live_server_url, wanted, led_to):
    form = {"language": "de", "next": wanted}
    answer = ask(f"{live_server_url}/i18n/setlang/", form=form)
    assert answer.headers["Location"] == led_to
    assert answer.headers["Set-Cookie"].startswith(f"{settings.LANGUAGE_COOKIE_NAME}=de; ")
    assert "HttpOnly" in answer.headers["Set-Cookie"]


def test_a_built_in_notice_gains_a_language_without_asking_anybody_again():
    notices.seed()
    own = notices.publish({notices.FALLBACK: notices.OWN}, asks_again=False)
    assert notices.current("ar").locale == "en"
    notices.seed()
    assert (notices.current("ar").locale, notices.current("ar").version) == ("ar", own)


def test_a_notice_of_ones_own_gains_nothing_of_ours():
    words = notices.Words("Other", "Words.", {}, {})
    notices.publish({notices.FALLBACK: words}, asks_again=False)
    notices.seed()
    assert notices.current("ar").locale == "en"
    notices.publish({notices.FALLBACK: notices.OWN}, asks_again=False)
    notices.seed()

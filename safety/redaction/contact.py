"""How to reach a person: mail addresses, phone numbers, network and web addresses."""

import ipaddress
import re
from collections.abc import Iterator

from safety.redaction.spans import Found

# "@" or "." as people write them to hide or to say an address. Spoken forms need the whole shape.
_AT = re.compile(r"@|[\[({<]\s?at\s?[\])}>]|(?<=\s)at(?=\s)", re.IGNORECASE)
_DOT = r"(?:\s?\.\s?|\s{0,3}[\[({<]\s?(?:dot|\.)\s?[\])}>]\s{0,3}|\s+(?:dot|punkt|punto|point)\s+)"
_LOCAL_SIGN = r"(?:\s+(?:underscore|dash|hyphen|plus)\s+)"
_LOCAL = r"[\w+%'-]{1,64}"
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_ENDINGS = (
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|app|dev|co|me|tv|eu|uk|de|fr|es|it|nl|be"
    "|ch|at|pl|se|no|fi"
    "|dk|ie|pt|cz|gr|hu|ro|ru|ua|tr|us|ca|au|nz|jp|cn|in|br|mx|za|test|example|invalid"
    "|local|online|xyz"
)
_EMAIL = re.compile(
    rf"(?<![\w.+%'-]){_LOCAL}(?:\.{_LOCAL}){{0,6}}\s?@\s?{_LABEL}(?:\.{_LABEL}){{1,6}}",
    re.IGNORECASE,
)
_BEFORE_AT = re.compile(
    rf"(?<![\w.+%'-]){_LOCAL}(?:(?:{_DOT}|{_LOCAL_SIGN}){_LOCAL}){{0,4}}\s{{0,3}}\Z",
    re.IGNORECASE,
)
_AFTER_AT = re.compile(
    rf"\s{{0,3}}{_LABEL}(?:{_DOT}{_LABEL}){{0,3}}{_DOT}(?:{_ENDINGS})(?!\w)", re.IGNORECASE
)
_LONGEST_LOCAL = 140
# "looking at people. It went well" is no address, whatever ends in "it".
_SENTENCES = re.compile(r"\sat\s.*\.\s", re.IGNORECASE | re.DOTALL)


def find_emails(text: str) -> Iterator[Found]:
    """Mail addresses, also "ada at example dot org" and "ada (at) example.org"."""
    for found in _EMAIL.finditer(text):
        yield Found(found.start(), found.end(), "EMAIL", 1.0)
    # Few an "at" has a host behind it, so what stands before one is seldom looked at.
    for at in _AT.finditer(text):
        host = _AFTER_AT.match(text, at.end())
        if host is None:
            continue
        local = _BEFORE_AT.search(text, max(0, at.start() - _LONGEST_LOCAL), at.start())
        if local is None or _SENTENCES.search(text, local.start(), host.end()):
            continue
        yield Found(local.start() + _skip_lead(local.group()), host.end(), "EMAIL", 0.9)


_LEAD = re.compile(
    r"(?:(?:it'?s|is|mail|email|me|address|reach|write|to|my|the|or|and|on|via|contact|under)\s+)+",
    re.IGNORECASE,
)


def _skip_lead(address: str) -> int:
    found = _LEAD.match(address)
    return found.end() if found else 0


_PHONE_RUN = re.compile(r"(?<![\w.@-])[+(]?\d(?:[\d\s().,/_*\-]{4,28})\d(?!\w)")
_PHONE_WORDS = re.compile(
    r"phone|call|mobile|cell|tel\b|telefon|handy|number|reach|text me|whatsapp|fax|ring|móvil"
    r"|nummer|numéro|número|dial|signal\b|sms|contact|pager|line\b",
    re.IGNORECASE,
)
_REGIONS = (
    "US",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "IE",
    "CH",
    "AT",
    "IN",
    "AU",
    "BR",
    "PL",
    "SE",
    "ZA",
)
_SHAPED = re.compile(
    r"^(?:\(?\d{3}\)?[\s.\-_*/]{1,3}\d{3}[\s.\-_*/]{1,3}\d{4}|\d{3}[\s.\-]\d{4}"
    r"|\(?0\d{2,5}\)?[\s/\-.]{1,3}[\d\s\-./]{5,})$"
)
_DATE_LIKE = re.compile(r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})$")
_CONTEXT = 48


def find_phones(text: str) -> Iterator[Found]:
    """Phone numbers of many regions; numbers kept for fiction count too."""
    for found in _PHONE_RUN.finditer(text):
        run = found.group()
        if _is_phone(run, text[max(0, found.start() - _CONTEXT) : found.start()]):
            yield Found(found.start(), found.end(), "PHONE", 0.9)


def is_said_phone(number: str, before: str) -> bool:
    """Whether digits that were said, with what was said before them, are a phone number."""
    digits = number.lstrip("+")
    return 7 <= len(digits) <= 15 and (bool(_PHONE_WORDS.search(before)) or _valid(number))


def _is_phone(run: str, before: str) -> bool:
    digits = re.sub(r"\D", "", run)
    if not 7 <= len(digits) <= 15 or _DATE_LIKE.match(run.strip()):
        return False
    if run.lstrip("(").startswith(("+", "00")) and len(digits) >= 9:
        return True
    if _PHONE_WORDS.search(before) or _SHAPED.match(run):
        return True
    separated = digits != run
    return (separated or len(digits) >= 10) and _valid(run)


def _valid(number: str) -> bool:
    import phonenumbers

    bare = re.sub(r"[^\d+]", "", number)
    for region in _REGIONS:
        try:
            parsed = phonenumbers.parse(bare, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return True
    return False


_IP4 = re.compile(r"(?<![\d.])\d{1,3}(?:\s?(?:\.|\[\.\]|\(\.\)|\bdot\b)\s?\d{1,3}){3}(?![\d]|\.\d)")
_IP6 = re.compile(r"(?<![\w:])[0-9a-fA-F:]{2,39}(?:(?:\.\d{1,3}){3})?(?:%\w{1,10})?(?![\w:])")


def find_ips(text: str) -> Iterator[Found]:
    """IPv4 and IPv6 addresses, also with "dot" or "[.]" between the numbers."""
    for found in _IP4.finditer(text):
        parts = re.findall(r"\d+", found.group())
        if all(int(part) < 256 for part in parts):
            yield Found(found.start(), found.end(), "IP", 0.95)
    for found in _IP6.finditer(text):
        if found.group().count(":") >= 2 and _is_ip6(found.group()):
            yield Found(found.start(), found.end(), "IP", 0.95)


def _is_ip6(candidate: str) -> bool:
    try:
        return ipaddress.ip_address(candidate.split("%")[0]).version == 6 and candidate != "::"
    except ValueError:
        return False


_HOST_CHAR = re.compile(r"[^\s<>\"'()\[\]{},;]+")
_SCHEME = re.compile(r"(?:h(?:tt|xx)ps?|ftps?|wss?|ssh|git|file)://|www\.|mailto:", re.IGNORECASE)
_BARE_HOST = re.compile(
    rf"^(?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.){{1,5}}(?:{_ENDINGS})(?::\d{{1,5}})?(?:[/?#].*)?$",
    re.IGNORECASE,
)
_SPOKEN_HOST = re.compile(
    r"(?<!\w)(?:www\s+dot\s+)?[a-z0-9-]{2,40}(?:\s+dot\s+[a-z0-9-]{2,40}){0,2}\s+dot\s+(?:com"
    r"|org|net|io|edu|de|fr|uk|co|info)(?!\w)",
    re.IGNORECASE,
)
_LONGEST_URL = 2048


def find_urls(text: str) -> Iterator[Found]:
    """Web addresses, with or without a scheme, also said ("example dot org"); linear."""
    for found in _HOST_CHAR.finditer(text):
        word = found.group()
        if "." not in word and "://" not in word:
            continue
        scheme = _SCHEME.search(word[:_LONGEST_URL])
        if scheme and len(word) > scheme.end():
            end = len(word.rstrip(".:!?"))
            yield Found(found.start() + scheme.start(), found.start() + end, "URL", 0.95)
            continue
        bare = word.rstrip(".:!?")
        if len(bare) <= 253 and "@" not in bare and _BARE_HOST.match(bare):
            yield Found(found.start(), found.start() + len(bare), "URL", 0.7)
    for found in _SPOKEN_HOST.finditer(text):
        yield Found(found.start(), found.end(), "URL", 0.6)

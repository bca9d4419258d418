"""Dates of birth: a full date near a word about birth, or one that only a birth explains."""

import re
from collections.abc import Iterator

from safety.redaction.spans import Found

_MONTHS = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec"
    "|januar|februar|märz|mai|juni|juli|oktober|dezember"
    "|janvier|février|mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre"
    "|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre"
    "|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre"
)
_ORDINALS = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth"
    "|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth"
    r"|ersten|zweiten|dritten|vierten|fünften|sechsten|siebten|achten|neunten|zehnten|elften"
    r"|zwölften|[a-zäöü]{3,14}(?:zehnten|zigsten)"
    r"|twenty[\s-](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|thirty[\s-]first"
)
_DAY = rf"(?:\d{{1,2}}(?:st|nd|rd|th|\.|er|º)?|{_ORDINALS})"
_DIGIT_WORDS = "one|two|three|four|five|six|seven|eight|nine|oh"
_TENS = (
    "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
    "|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
)
_YEAR = (
    rf"(?:(?:19|20)\d\d|['’]?\d\d(?!\d)|(?:nineteen|twenty)[\s-](?:{_TENS}"
    rf"|oh)(?:[\s-](?:{_DIGIT_WORDS}))?"
    rf"|(?:sixty|seventy|eighty|ninety)(?:[\s-](?:{_DIGIT_WORDS}))?"
    rf"|neunzehnhundert[a-zäöüß]{{3,24}}|zweitausend[a-zäöüß]{{0,24}}"
    rf"|two\s+thousand(?:\s+(?:and\s+)?(?:{_TENS}|{_DIGIT_WORDS})(?:[\s-](?:{_DIGIT_WORDS}))?)?)"
)
_SEP = r"[\s,.\-/]{1,3}(?:of\s+|de\s+|del\s+|in\s+|the\s+)?"
_DATE = re.compile(
    r"(?<![\w.\-/])(?:"
    r"\d{4}\s?[-./]\s?\d{1,2}\s?[-./]\s?\d{1,2}"
    r"|\d{1,2}\s?[-./]\s?\d{1,2}\s?[-./]\s?(?:\d{4}|\d{2})"
    rf"|(?:the\s+)?{_DAY}{_SEP}(?:{_MONTHS})\.?{_SEP}{_YEAR}"
    rf"|(?:{_MONTHS})\.?{_SEP}(?:the\s+)?{_DAY}{_SEP}{_YEAR}"
    rf"|\d{{1,2}}[\s-]?(?:{_MONTHS})[\s-]?(?:19|20)?\d\d"
    r")(?![\w]|[-/.]\d)",
    re.IGNORECASE,
)
_BIRTH = re.compile(
    r"\bborn\b|birth|\bb-?day\b|\bd\.?\s?o\.?\s?b\b|geboren|geburt|\bgeb\.|né[e]?\b"
    r"|naissance|naci|nacimiento"
    r"|\bnat[oa]\b|nascita|nascid|geboortedatum|geboren op|født|född|urodz",
    re.IGNORECASE,
)
_YEAR_FOUR = re.compile(r"(?:19|20)\d\d")
_NEWEST_BIRTH = 2012


def find_birth_dates(text: str) -> Iterator[Found]:
    """Full dates, in figures or words, near a word about birth; old enough ones also alone."""
    for found in _DATE.finditer(text):
        around = text[max(0, found.start() - 60) : found.end() + 24]
        if _BIRTH.search(around):
            yield Found(found.start(), found.end(), "BIRTH_DATE", 0.95)
            continue
        year = _YEAR_FOUR.search(found.group())
        if year and int(year.group()) <= _NEWEST_BIRTH:
            yield Found(found.start(), found.end(), "BIRTH_DATE", 0.6)

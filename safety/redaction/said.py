"""What is said or spelt rather than written: the same recognisers on the text written out."""

import re
from collections.abc import Iterator, Sequence

from safety.redaction.contact import find_emails, find_ips, find_phones, is_said_phone
from safety.redaction.identity import find_national_ids
from safety.redaction.money import find_cards, find_ibans
from safety.redaction.places import find_addresses
from safety.redaction.spans import Finder, Found
from safety.redaction.spoken import Written, written

_FINDERS: Sequence[Finder] = (
    find_emails,
    find_ips,
    find_cards,
    find_ibans,
    find_national_ids,
    find_phones,
    find_addresses,
)
_ID_WORD = re.compile(
    r"social|ssn|passport|insurance|licen[cs]e|\bid\b|nhs|identity", re.IGNORECASE
)
_NUMBER = re.compile(r"\+?\d{6,}")
_CONTEXT = 48


def find_said(text: str) -> Iterator[Found]:
    """Numbers, addresses and accounts in words, and whatever somebody spells letter by letter."""
    heard = written(text)
    if heard is None:
        return
    for one in (*_found(heard), *_bare_numbers(heard)):
        start, end = heard.plain.span(one.start, one.end)
        yield Found(start, end, one.type, min(one.score, 0.9))


def _found(heard: Written) -> Iterator[Found]:
    """What touches something said; the rest is found in the text as it is."""
    for find in _FINDERS:
        for one in find(heard.plain.text):
            if any(start < one.end and one.start < end for start, end in heard.runs):
                yield one


def _bare_numbers(heard: Written) -> Iterator[Found]:
    text = heard.plain.text
    numbers = (one for start, end in heard.runs for one in _NUMBER.finditer(text, start, end))
    for found in numbers:
        before = text[max(0, found.start() - _CONTEXT) : found.start()]
        if is_said_phone(found.group(), before):
            yield Found(found.start(), found.end(), "PHONE", 0.8)
        elif _ID_WORD.search(before):
            yield Found(found.start(), found.end(), "ID", 0.85)

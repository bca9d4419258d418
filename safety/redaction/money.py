"""Payment cards and bank accounts, told from other numbers by their check digits."""

import re
from collections.abc import Iterator

from safety.redaction.spans import Found

_CARD_RUN = re.compile(r"(?<![\w])\d(?:[\s.,_*|/:\-]{0,3}\d){11,30}(?!\w)")
_CARD_WORDS = re.compile(
    r"card|visa|master|amex|karte|carte|tarjeta|credit|debit|ccv|cvv", re.IGNORECASE
)
# IBAN lengths by country, ISO 13616 registry.
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30,
    "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
    "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
_IBAN_START = re.compile(r"(?<![^\W_])[A-Za-z]\s{0,2}[A-Za-z][\s.\-]{0,2}\d[\s.\-]?\d")
_IBAN_WORD = re.compile(r"\biban\b", re.IGNORECASE)
_SEPARATORS = frozenset(" .-_/\t\n")


def find_cards(text: str) -> Iterator[Found]:
    """Card numbers of 12 to 19 digits with a right check digit, with any separators.

    After a word such as "card" the check digit may be wrong: people mistype their own numbers.
    """
    for found in _CARD_RUN.finditer(text):
        digits = [char for char in found.group() if char.isdigit()]
        near = _CARD_WORDS.search(text[max(0, found.start() - 40) : found.start()])
        if 12 <= len(digits) <= 19 and (luhn("".join(digits)) or (near and len(digits) >= 14)):
            yield Found(found.start(), found.end(), "CARD", 1.0)


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    if not digits.isdigit() or len(set(digits)) == 1:
        return False
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def find_ibans(text: str) -> Iterator[Found]:
    """Bank accounts in IBAN form whose check digits fit (mod 97), in any case and spacing."""
    end_of_last = 0
    for found in _IBAN_START.finditer(text):
        if found.start() < end_of_last:
            continue
        country = "".join(found.group().split())[:2].upper()
        wanted = IBAN_LENGTHS.get(country)
        if wanted is None:
            continue
        bare, end = _take(text, found.start(), wanted)
        spoken_of = _IBAN_WORD.search(text[max(0, found.start() - 24) : found.start()])
        if len(bare) == wanted and (mod97(bare) or spoken_of):
            end_of_last = end
            yield Found(found.start(), end, "IBAN", 1.0)


def _take(text: str, start: int, count: int) -> tuple[str, int]:
    """The next `count` letters and digits, separators skipped, and where they end."""
    kept: list[str] = []
    index = start
    while index < len(text) and len(kept) < count and index - start < 3 * count:
        char = text[index]
        if char.isascii() and char.isalnum():
            kept.append(char.upper())
        elif char not in _SEPARATORS:
            break
        index += 1
    if index < len(text) and text[index].isalnum():
        return "", index
    return "".join(kept), index


def mod97(iban: str) -> bool:
    """Whether an IBAN's check digits fit (ISO 13616, ISO/IEC 7064 MOD 97-10)."""
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1

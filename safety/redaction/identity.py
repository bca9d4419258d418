"""National identity and tax numbers, told by their check digits or by the word before them."""

import re
from collections.abc import Callable, Iterator

from safety.redaction.spans import Found

_DIGIT = re.compile(r"\d")
_US_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}[\s.\-_–]\d{2}[\s.\-_–]\d{4}(?![\w-])")
_UK_NINO = re.compile(
    r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\s?\d{2}\s?\d{2}\s?\d{2}\s?[A-D](?!\w)",
    re.IGNORECASE,
)
_ITALIAN = re.compile(r"(?<!\w)[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z](?!\w)", re.IGNORECASE)
_SPANISH = re.compile(r"(?<!\w)(?:[XYZ][\s-]?\d{7}|\d{8})[\s-]?[A-Z](?!\w)", re.IGNORECASE)
_PAN = re.compile(r"(?<!\w)[A-Z]{5}\d{4}[A-Z](?!\w)")
_DIGITS = re.compile(r"(?<![\w.])\d(?:[\s.\-/]?\d){7,14}(?![\w])")
_NAMED = re.compile(
    r"(?:\bssn\b|social\s+security(?:\s+(?:number|no\.?))?|passport(?:\s+(?:number"
    r"|no\.?))?|national\s+insurance(?:\s+number)?|\bnino\b"
    r"|driv(?:er'?s|ing)\s+licen[cs]e(?:\s+(?:number|no\.?))?|\bnhs(?:\s+(?:number"
    r"|no\.?))?|tax\s+(?:id|number)|steuer-?id\w*|personalausweis\w*|reisepass\w*"
    r"|\bdni\b|\bnie\b|codice\s+fiscale|\bbsn\b|\bpesel\b|\bcpf\b|\baadhaar\b"
    r"|medicare(?:\s+number)?|id\s+(?:card|number)|employee\s+(?:id|number)"
    r"|insurance\s+number|patient\s+(?:id|number)|licen[cs]e\s+plate"
    r"|sozialversicherungsnummer|numéro\s+de\s+sécurité\s+sociale)"
    r"\s{0,3}(?:(?:is|ist|est|es|:|#|number|no\.?|="
    r"|,)\s{0,3}){0,4}([A-Za-z]{0,4}[\s-]?\d[\w\s.\-/]{3,22}\d\w{0,2}|[A-Z]{1,3}\d{4,12}\w?)",
    re.IGNORECASE,
)


def find_national_ids(text: str) -> Iterator[Found]:
    """Numbers of persons: US, UK, DE, FR, ES, IT, PL, BR, IN, and any after its own name."""
    if not _DIGIT.search(text):
        return
    for pattern in (_US_SSN, _UK_NINO, _ITALIAN, _PAN):
        for found in pattern.finditer(text):
            yield Found(found.start(), found.end(), "ID", 0.9)
    for found in _SPANISH.finditer(text):
        if spanish(_bare(found.group())):
            yield Found(found.start(), found.end(), "ID", 1.0)
    for found in _DIGITS.finditer(text):
        digits = _bare(found.group())
        if any(len(digits) == length and check(digits) for length, check in _CHECKS):
            yield Found(found.start(), found.end(), "ID", 0.75)
    for found in _NAMED.finditer(text):
        yield Found(found.start(1), found.end(1), "ID", 0.9)


def _bare(text: str) -> str:
    return "".join(char for char in text.upper() if char.isalnum())


def spanish(number: str) -> bool:
    """DNI and NIE: the letter is the number modulo 23 (Real Decreto 1553/2005)."""
    digits = number[:-1].translate(str.maketrans("XYZ", "012"))
    return digits.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[-1]


def french(number: str) -> bool:
    """NIR: the last two digits are 97 minus the rest modulo 97; first digit and month must fit."""
    plausible = number[0] in "12" and 1 <= int(number[3:5]) <= 12
    return plausible and 97 - int(number[:13]) % 97 == int(number[13:])


def german(number: str) -> bool:
    """Tax identification number: ISO/IEC 7064 MOD 11,10, not starting with zero."""
    if number[0] == "0" or len(set(number[:10])) > 9:
        return False
    product = 10
    for char in number[:10]:
        total = (int(char) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(number[10])


def polish(number: str) -> bool:
    """PESEL: weights 1 3 7 9; the birth date inside must exist."""
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
    total = sum(int(char) * weight for char, weight in zip(number, weights, strict=False))
    born = 1 <= int(number[2:4]) % 20 <= 12 and 1 <= int(number[4:6]) <= 31
    return born and (10 - total % 10) % 10 == int(number[10])


def brazilian(number: str) -> bool:
    """CPF: two check digits modulo 11."""
    if len(set(number)) == 1:
        return False
    for length in (9, 10):
        total = sum(int(number[i]) * (length + 1 - i) for i in range(length))
        if total * 10 % 11 % 10 != int(number[length]):
            return False
    return True


_VERHOEFF_D = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_P = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def indian(number: str) -> bool:
    """Aadhaar: Verhoeff's check, not starting with 0 or 1."""
    if number[0] in "01":
        return False
    check = 0
    for place, char in enumerate(reversed(number)):
        check = int(_VERHOEFF_D[check][int(_VERHOEFF_P[place % 8][int(char)])])
    return check == 0


_CHECKS: tuple[tuple[int, Callable[[str], bool]], ...] = (
    (15, french),
    (11, german),
    (11, polish),
    (11, brazilian),
    (12, indian),
)

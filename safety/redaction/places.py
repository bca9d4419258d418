"""Where a person lives: street addresses and postcodes of the main countries."""

import re
from collections.abc import Iterator

from safety.redaction.spans import Found

_DIGIT = re.compile(r"\d")
_WORD = r"[^\W\d_][\w'’.\-]{0,30}"
_STREET_EN = (
    "street|st|road|rd|avenue|ave|av|lane|ln|drive|dr|court|ct|boulevard|blvd|way|place|pl"
    "|square|sq"
    "|terrace|close|crescent|cres|highway|hwy|parkway|pkwy|circle|cir|trail|trl|row|mews"
    "|grove|gardens|quay"
)
_UNIT = r"(?:\s*,?\s*(?:apt|apartment|suite|ste|unit|flat|floor|room|#)\.?\s*#?\s?[\w-]{1,6})"
_ENGLISH = re.compile(
    rf"(?<![\w.])(?:(?:flat|apt|apartment|unit"
    rf"|suite)\s+\w{{1,5}},?\s+)?\d{{1,5}}[a-z]?(?:[-/]\d{{1,4}})?,?\s+"
    rf"(?:(?:{_WORD}|\d{{1,3}}(?:st|nd|rd|th))\s+){{1,4}}(?:{_STREET_EN})\b\.?{_UNIT}?",
    re.IGNORECASE,
)
_GERMAN = re.compile(
    r"(?<!\w)(?:[^\W\d_][\w\-.]{1,40}\s?(?:straße|strasse|str\.|weg|gasse|allee|platz|ufer"
    r"|damm|ring|chaussee)"
    rf"|(?:am|an der|auf dem|im|zum|zur|alte|neue)\s+{_WORD})\s+\d{{1,4}}\s?[a-z]?(?!\w)",
    re.IGNORECASE,
)
_ROMANCE = re.compile(
    r"(?<!\w)(?:\d{1,4}(?:\s?(?:bis|ter))?,?\s+)?(?:rue|avenue|boulevard|place|chemin"
    r"|impasse|quai|allée|calle|avenida"
    r"|avda\.|c/|plaza|paseo|via|viale|piazza|corso|rua|travessa|largo|praça)\s+"
    r"(?:(?:de\s+la|de\s+los|de\s+las|della|des|del|de|du|di|da|dos|do|las|la|les|le"
    rf"|l')\s*)?{_WORD}(?:\s+{_WORD}){{0,3}}?"
    r"(?:,?\s+(?:n[º°o.]{1,2}\s?)?\d{1,4}\s?[a-z]?)?(?!\w)",
    re.IGNORECASE,
)
_DUTCH = re.compile(
    r"(?<!\w)[^\W\d_][\w\-]{2,40}(?:straat|laan|weg|gracht|kade|plein|singel|dijk|gade|vej"
    r"|gatan|vägen|gata|veien)\s+\d{1,4}\s?[a-z]?(?!\w)",
    re.IGNORECASE,
)
_BOX = re.compile(
    r"(?<!\w)(?:p\.?\s?o\.?\s?box|postfach|apartado|casella postale)\s+\d{1,6}", re.IGNORECASE
)

_UK_POSTCODE = re.compile(
    r"(?<!\w)(?:[A-Z]{1,2}\d[A-Z\d]?|GIR)\s{0,2}\d[ABD-HJLNP-UW-Z]{2}(?!\w)", re.IGNORECASE
)
_CANADA = re.compile(r"(?<!\w)[ABCEGHJ-NPRSTVXY]\d[A-Z][\s-]?\d[A-Z]\d(?!\w)", re.IGNORECASE)
_NETHERLANDS = re.compile(r"(?<!\w)[1-9]\d{3}\s?[A-Z]{2}(?!\w)")
_US_ZIP = re.compile(
    r"(?<![\w-])(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]"
    r"|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])"
    r",?\s+\d{5}(?:-\d{4})?(?![\w-])"
)
_ZIP_WORD = re.compile(
    r"(?:zip(?:\s?code)?|post\s?code|postal\s?code|plz|postleitzahl|code\s+postal"
    r"|código\s+postal|cap)\s{0,3}(?:is|ist|est|es|:|number)?\s{0,3}"
    r"(\d{4,6}(?:-\d{3,4})?)(?!\w)",
    re.IGNORECASE,
)
_TOWN = re.compile(r"(?<![\w.-])(?:[A-Z]{1,2}-)?\d{5}\s+[A-ZÄÖÜÉ][\w'’äöüéè-]{2,}")
# "12 week way", "a 3 day drive": counted things are no house numbers.
_COUNTED = re.compile(
    r"^\d{1,5}\s+(?:\w+\s+){0,3}?(?:minutes?|hours?|days?|weeks?|months?|years?|people"
    r"|times?|of|in|the|more|percent|or|and|small|"
    r"steps?|things?|questions?|points?|ways?|to|on|is|was|are|different|other|good|new"
    r"|great|best|better|only|big)\s",
    re.IGNORECASE,
)


def find_addresses(text: str) -> Iterator[Found]:
    """Streets with house numbers in English, German, Romance and Nordic languages; boxes."""
    if not _DIGIT.search(text):
        return
    for pattern in (_ENGLISH, _GERMAN, _DUTCH, _BOX):
        for found in pattern.finditer(text):
            if not _COUNTED.match(found.group()):
                yield Found(found.start(), found.end(), "ADDRESS", 0.85)
    for found in _ROMANCE.finditer(text):
        if any(char.isdigit() for char in found.group()):
            yield Found(found.start(), found.end(), "ADDRESS", 0.85)


def find_postcodes(text: str) -> Iterator[Found]:
    """Postcodes that their shape or the word before them tells from other numbers."""
    if not _DIGIT.search(text):
        return
    for pattern in (_UK_POSTCODE, _CANADA, _NETHERLANDS, _US_ZIP, _TOWN):
        for found in pattern.finditer(text):
            yield Found(found.start(), found.end(), "POSTCODE", 0.8)
    for found in _ZIP_WORD.finditer(text):
        yield Found(found.start(1), found.end(1), "POSTCODE", 0.8)

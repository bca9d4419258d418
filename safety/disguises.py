"""How a secret leaves in disguise: what to look for, and writing that no honest nudge has."""

import base64
import codecs
import re

LEAST_FRAGMENT = 6
_WINDOW = 8

# Five characters that stand alone in a row, whatever is put between them; pairs of hex digits;
# a long word that mixes digits and letters, or ends as base64 does; bits; Morse; percent signs.
# Escapes and entities are the markup check's matter.
_ENCODED = re.compile(
    r"(?<![\w'])\w(?:[^\w\n']{1,4}\w(?![\w'])){4,}"
    r"|\b(?:0x)?[0-9a-f]{2}(?:[\s:,-](?:0x)?[0-9a-f]{2}\b){5,}"
    r"|(?<![\w/+])(?=[\w/+]*\d)(?=[\w/+]*[a-z])[\w/+]{16,}={0,2}"
    r"|(?<![\w/+])[a-z0-9/+]{8,}={1,2}(?![\w=])|(?<![\w=])={1,2}[a-z0-9/+]{8,}"
    r"|\b[01]{7,8}(?:\s[01]{7,8}){2,}"
    r"|(?:[.-]{1,6}\s){5,}"
    r"|%[0-9a-f]{2}(?:%?[0-9a-f]{2}){3,}",
    re.IGNORECASE,
)


# Capitals inside a word, or letters and digits in one: base64 cut to pieces. All capitals: base32.
_PIECE = re.compile(
    r"(?<![\w+/])(?=[\w+/]*(?:[a-z][A-Z]|[A-Z]{2}[a-z]|\d[A-Za-z]|[A-Za-z]\d))[\w+/]{3,}(?![\w+/])"
)
_SHOUTED = re.compile(r"(?<!\w)[A-Z2-7]{12,}(?!\w)")
_ORDINARY_PIECE = re.compile(r"\d+(?:st|nd|rd|th|am|pm|min|h|x|k|s|m|km|kg)", re.IGNORECASE)
_MOST_PIECES = 2


def squashed(text: str) -> str:
    """The letters and digits alone, in lower case."""
    return "".join(char for char in text.casefold() if char.isalnum())


def looks_encoded(text: str) -> bool:
    """Whether a stretch is spelt out, or written in hex, base64, base32, bits or Morse.

    Each of these would let a secret out a few harmless characters at a time.
    """
    if _ENCODED.search(text) or _SHOUTED.search(text):
        return True
    pieces = [found for found in _PIECE.findall(text) if not _ORDINARY_PIECE.fullmatch(found)]
    return len(pieces) > _MOST_PIECES


def turned(text: str) -> tuple[str, ...]:
    """A text reversed, in rot13, and both."""
    rot13 = codecs.encode(text, "rot13")
    return text[::-1], rot13, rot13[::-1]


def forms(secret: str) -> frozenset[str]:
    """A secret's squashed forms: plain, reversed, rot13, hex, and base64 at any offset."""
    raw = [secret, secret.casefold(), secret.upper()]
    plain = [*raw, *turned(secret)]
    for each in raw:
        data = each.encode()
        plain.append(data.hex())
        for lead in range(3):
            encoded = base64.b64encode(b"x" * lead + data).decode().rstrip("=")
            # The characters at both ends mix with whatever stands beside the secret.
            plain += [encoded[4 if lead else 0 : -2], encoded[4 if lead else 0 : -2][::-1]]
    return frozenset(form for form in map(squashed, plain) if len(form) >= LEAST_FRAGMENT)


def fragments(secret: str) -> frozenset[str]:
    """Every stretch of eight characters of a random secret's forms: a part of it is a leak too."""
    found: set[str] = set()
    for form in forms(secret):
        found.update(form[at : at + _WINDOW] for at in range(max(len(form) - _WINDOW, 0) + 1))
    return frozenset(found)

"""Placeholders that stand for a person's data: stable in a session, meaningless outside it."""

import base64
import hmac
import re
from collections.abc import Mapping

from safety.text import normalise

_CODE_LETTERS = 5
PLACEHOLDER = re.compile(rf"\[[A-Z]{{2,12}}(?:_[A-Z]{{2,12}})?-[a-z2-7]{{{_CODE_LETTERS}}}\]")


def placeholder(type: str, value: str, key: bytes) -> str:
    """Such as `[NAME-k7f3q]`: the same for a type, a value and a session's key, whatever its case.

    The code is 25 bits of HMAC-SHA-256 over the letters and digits of the normalised value.
    """
    plain = "".join(char for char in normalise(value).text.casefold() if char.isalnum())
    digest = hmac.digest(
        key, f"{type}\0{plain or value}".encode("utf-8", "surrogatepass"), "sha256"
    )
    code = base64.b32encode(digest).decode().lower()[:_CODE_LETTERS]
    return f"[{type}-{code}]"


def restore(text: str, pseudonyms: Mapping[str, str]) -> str:
    """The text with the placeholders of a mapping turned back; any other stays as it is."""
    return PLACEHOLDER.sub(lambda found: pseudonyms.get(found.group(), found.group()), text)

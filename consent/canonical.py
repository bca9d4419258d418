"""One way to write a document down, so that two who agree on it agree on its bytes."""

import hashlib
import json
from typing import Any


def canonical(document: Any) -> bytes:
    """JSON with sorted keys, no blanks and no escapes beyond what JSON asks for, as UTF-8."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(document: Any) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(document)).hexdigest()

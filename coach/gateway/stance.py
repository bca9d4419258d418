"""Whether somebody tells of something done or of something still open.

Sentence embeddings hardly tell the two apart: "I handed the report in" and "I have not handed the
report in" are neighbours. What helps with the one does not help with the other.
"""

import re

_DONE = re.compile(
    r"\b(?:finally|finished|completed|solved|settled|succeeded|decided|managed to|worked out|sorted"
    r"|handed\b.{0,40}\b(?:in|over)|got (?:it|that|them) done|made (?:it|the|my))\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:not|never|no|nobody|nothing|hardly|without|cannot)\b|n['’]t\b", re.IGNORECASE
)


def is_done(text: str) -> bool:
    """Whether the words tell of something done; a negation before the telling word undoes it."""
    found = _DONE.search(text)
    return found is not None and _NEGATED.search(text[: found.start()]) is None

"""Credentials that someone pasted or said: keys, tokens, passwords."""

import math
import re
from collections import Counter
from collections.abc import Iterator

from safety.redaction.spans import Found

_SHAPES = re.compile(
    r"(?<![\w-])(?:"
    r"sk-[A-Za-z0-9_-]{16,200}|gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}"
    r"|glpat-[\w-]{16,64}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,250}|AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|AIza[\w-]{30,45}"
    r"|(?:pk|sk|rk)_(?:live|test)_[A-Za-z0-9]{10,99}|hf_[A-Za-z0-9]{20,60}"
    r"|npm_[A-Za-z0-9]{30,50}|pypi-[\w-]{20,250}"
    r"|eyJ[\w-]{8,2000}\.[\w-]{8,4000}(?:\.[\w-]{0,1000})?|SG\.[\w-]{16,32}\.[\w-]{16,64}"
    r")(?![\w])"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----")
_PRIVATE_END = re.compile(r"-----END [A-Z ]{0,30}PRIVATE KEY-----")
_NAMED = re.compile(
    r"(?:pass\s?word|pass\s?phrase|passwd|\bpwd|pass\s?code|\bpin\b(?:\s(?:code|number))?"
    r"|secret(?:\s+key)?|api[\s_-]?key|access[\s_-]?(?:key|token)|auth[\s_-]?token|\btoken"
    r"|bearer|kennwort|passwort|mot de passe|contraseña)"
    r"(?:\s+(?:for|of|to)\s+\S{1,30}(?:\s\S{1,30})?)?\s*(?:is now|is|was|ist|est|es|=|:"
    r"|to)\s*[\"'`]?([^\s\"'`,;]{4,200})",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\bbearer\s+([A-Za-z0-9._~+/=-]{12,2000})", re.IGNORECASE)
_LONG = re.compile(r"(?<![\w/+=-])[A-Za-z0-9+/_=-]{24,400}(?![\w/+=-])")
_LEAST_ENTROPY = 3.6


def find_secrets(text: str) -> Iterator[Found]:
    """Keys and tokens by their shape, words after "password is", long strings that look random."""
    for found in _SHAPES.finditer(text):
        yield Found(found.start(), found.end(), "SECRET", 1.0)
    yield from _private_keys(text)
    for found in _BEARER.finditer(text):
        yield Found(found.start(1), found.end(1), "SECRET", 0.9)
    for found in _NAMED.finditer(text):
        word = found.group(1).rstrip(".!?")
        if _secret_like(word):
            yield Found(found.start(1), found.start(1) + len(word), "SECRET", 0.85)
    for found in _LONG.finditer(text):
        if _random_like(found.group()):
            yield Found(found.start(), found.end(), "SECRET", 0.7)


def _private_keys(text: str) -> Iterator[Found]:
    """From each beginning to its end; one without an end takes all that follows."""
    at = 0
    while begin := _PRIVATE_KEY.search(text, at):
        end = _PRIVATE_END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield Found(begin.start(), at, "SECRET", 1.0)


def _secret_like(word: str) -> bool:
    """Whether a word after "password is" is one: it mixes kinds of characters, or is digits."""
    kinds = (str.isupper, str.islower, str.isdigit)
    mixed = sum(any(kind(char) for char in word[1:]) for kind in kinds)
    marks = any(not char.isalnum() for char in word[:-1])
    return (
        word.isdigit() or mixed >= 2 or (marks and len(word) >= 6 and any(map(str.isdigit, word)))
    )


def _random_like(word: str) -> bool:
    if not (any(map(str.isdigit, word)) and any(map(str.isalpha, word))):
        return False
    counts = Counter(word)
    entropy = -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values())
    return entropy >= _LEAST_ENTROPY

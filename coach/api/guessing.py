"""Codes are short so that they can be read aloud; trying them out is slow instead."""

import contextlib
import hashlib

from django.core.cache import cache
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.request import Request

# Wrong codes from one address in so many seconds; a room of people who mistype still fits.
MISSES, WITHIN_S = 30, 60


class TooManyCodes(exceptions.Throttled):
    """The wait is told in a header; given to its parent it would add a sentence of its own."""

    def __init__(self) -> None:
        super().__init__(detail=_("Too many wrong codes came from here. Please wait a minute."))
        self.wait: float = WITHIN_S


def may_try(request: Request) -> None:
    """Raises TooManyCodes for an address that has tried too many codes that open nothing."""
    if cache.get(_key(request), 0) >= MISSES:
        raise TooManyCodes


def missed(request: Request) -> exceptions.NotFound:
    """What to answer a code that opens nothing; it counts against its address."""
    key = _key(request)
    cache.add(key, 0, WITHIN_S)
    # It may run out between the two; then the next one counts.
    with contextlib.suppress(ValueError):
        cache.incr(key)
    return exceptions.NotFound("There is no open session with this code.")


def _key(request: Request) -> str:
    # The server has put there who is behind a proxy that it trusts, and nobody else can.
    address = str(request.META.get("REMOTE_ADDR", ""))
    return f"guess.{hashlib.sha256(address.encode()).hexdigest()}"

"""How long a text is for a model: by its own tokenizer where there is one, else cautiously."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from coach.gateway.routes import Route

# English takes about four characters a token, other scripts fewer; a prompt must not be cut off.
BYTES_PER_TOKEN = 3.0
# What a chat template puts around each message.
MESSAGE_TOKENS = 8
Count = Callable[[str], int]


def estimate(text: str) -> int:
    """An upper bound for the usual text and tokenizer."""
    return int(len(text.encode()) / BYTES_PER_TOKEN) + 1


def counter(route: Route | None) -> Count:
    """Counts tokens as this route's model does, if its tokenizer is on this machine."""
    if route is None or not route.tokenizer or not Path(route.tokenizer).is_file():
        return estimate
    return _counter_of(route.tokenizer)


@cache
def _counter_of(path: str) -> Count:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count

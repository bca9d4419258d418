"""How often a proof is repeated: often enough to notice a loss, or as often as the docs say.

`make proofs` runs every test at its full count; it takes hours, and wants a machine of its own.
"""

import os

FULL = os.environ.get("PROOFS") == "full"


def repeats(usual: int, *, full: int) -> int:
    return full if FULL else usual

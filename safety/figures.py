"""Shares, F1 and quantiles as our reports state them."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

Report = dict[str, Any]
_Z = 1.96


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (E. B. Wilson, JASA 1927); (0, 1) when nothing was counted."""
    if n == 0:
        return 0.0, 1.0
    share, spread = hits / n, _Z**2 / n
    middle = share + spread / 2
    reach = _Z * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, (middle - reach) / (1 + spread)), min(1.0, (middle + reach) / (1 + spread))


def macro_f1(wanted: Sequence[str], found: Sequence[str]) -> float:
    """The mean F1 over the labels that occur on either side."""
    labels = sorted({*wanted, *found})
    return statistics.fmean(f1(wanted, found, label) for label in labels) if labels else 0.0


def f1(wanted: Sequence[str], found: Sequence[str], label: str) -> float:
    """The F1 of one label; 0 where it is on neither side."""
    pairs = list(zip(wanted, found, strict=True))
    hits = sum(one == other == label for one, other in pairs)
    claims = sum(one == label for one in wanted) + sum(other == label for other in found)
    return 2 * hits / claims if claims else 0.0


def share(hits: int, n: int) -> Report:
    """A share with its count and interval, ready for a report."""
    low, high = wilson(hits, n)
    return {"n": n, "right": hits, "share": round(hits / n, 4) if n else None,
            "low": round(low, 4), "high": round(high, 4)}  # fmt: skip


def quantile(ordered: Sequence[float], part: float) -> float:
    """A quantile of sorted values, to the microsecond for milliseconds; 0 of none."""
    return round(ordered[min(int(part * len(ordered)), len(ordered) - 1)], 3) if ordered else 0.0

"""Plots as SVG that need nothing else: lines over axes, and a spark of runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 48, 44
# Told apart also by those who see no difference between red and green (Okabe and Ito, 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4")
TICKS = 5
SPARK_WIDTH, SPARK_HEIGHT = 160, 36

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Chart:
    """Lines over one pair of axes that begin at zero; a bound is drawn across."""

    title: str
    across: str
    up: str
    series: Sequence[Series]
    bound: float | None = None

    def svg(self) -> str:
        """Dark on white, for a page of either kind."""
        points = [point for each in self.series for point in each.points]
        most_x = _round_up(max((x for x, _ in points), default=1.0))
        highest = [y for _, y in points] + ([self.bound] if self.bound is not None else [])
        most_y = _round_up(max(highest, default=1.0))
        frame = _Frame(most_x, most_y)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'role="img" font-family="system-ui, sans-serif" font-size="12">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            f'<text x="{LEFT}" y="18" font-size="14" fill="#111">{escape(self.title)}</text>',
            *frame.grid(),
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end" fill="#333">'
            f"{escape(self.across)}</text>",
            f'<text x="{LEFT - 6}" y="{TOP - 12}" text-anchor="end" fill="#333">'
            f"{escape(self.up)}</text>",
        ]
        if self.bound is not None:
            y = frame.y(self.bound)
            parts.append(
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#a00000" '
                'stroke-dasharray="4"/>'
            )
        for number, each in enumerate(self.series):
            parts += frame.line(number, each)
        return "\n".join([*parts, "</svg>"]) + "\n"


@dataclass(frozen=True)
class _Frame:
    """Where values lie on the canvas."""

    most_x: float
    most_y: float

    def x(self, value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * value / self.most_x, 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.most_y, 1)

    def grid(self) -> list[str]:
        parts = []
        for tick in range(TICKS + 1):
            x, y = self.most_x * tick / TICKS, self.most_y * tick / TICKS
            parts += [
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(y)}" y2="{self.y(y)}" '
                'stroke="#ddd"/>',
                f'<text x="{LEFT - 6}" y="{self.y(y) + 4}" text-anchor="end" fill="#333">'
                f"{y:g}</text>",
                f'<text x="{self.x(x)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" '
                f'fill="#333">{x:g}</text>',
            ]
        return parts

    def line(self, number: int, series: Series) -> list[str]:
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        points = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in series.points)
        left = LEFT + 110 * number
        return [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>',
            f'<line x1="{left}" x2="{left + 24}" y1="{HEIGHT - 12}" y2="{HEIGHT - 12}" '
            f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>',
            f'<text x="{left + 28}" y="{HEIGHT - 8}" fill="#333">{escape(series.name)}</text>',
        ]


def spark(values: Sequence[float], *, bound: float | None = None) -> str:
    """Values in their order as one small line, the last one marked, with a bound across it."""
    known = [*values, *([bound] if bound is not None else [])]
    low, high = min(known), max(known)
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return round(SPARK_HEIGHT - 4 - (SPARK_HEIGHT - 8) * (value - low) / span, 1)

    step = SPARK_WIDTH / max(1, len(values) - 1)
    points = " ".join(f"{round(n * step, 1)},{y(value)}" for n, value in enumerate(values))
    across = (
        f'<line x1="0" x2="{SPARK_WIDTH}" y1="{y(bound)}" y2="{y(bound)}" stroke="#a00000" '
        'stroke-dasharray="3"/>'
        if bound is not None
        else ""
    )
    return (
        f'<svg role="img" aria-label="{len(values)} runs, from {values[0]:g} to {values[-1]:g}" '
        f'width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}">{across}'
        f'<polyline points="{points}" fill="none" stroke="#0e6153" stroke-width="1.5"/>'
        f'<circle cx="{round((len(values) - 1) * step, 1)}" cy="{y(values[-1])}" r="2.5" '
        'fill="#0e6153"/></svg>'
    )


def bar(share: float, *, bound: float | None = None, before: float | None = None) -> str:
    """A share of one as a bar; a line at its bound, and a thin one at what it was before."""
    middle = SPARK_HEIGHT / 2
    marks = "".join(
        f'<line x1="{x}" x2="{x}" y1="4" y2="{SPARK_HEIGHT - 4}" stroke="{colour}" '
        f'stroke-width="{width}"/>'
        for value, colour, width in ((bound, "#a00000", 2), (before, "#333", 1))
        if value is not None
        for x in (round(SPARK_WIDTH * min(1.0, max(0.0, value)), 1),)
    )
    return (
        f'<svg role="img" aria-label="{share:.3f} of 1" width="{SPARK_WIDTH}" '
        f'height="{SPARK_HEIGHT}"><rect y="{middle - 5}" width="{SPARK_WIDTH}" height="10" '
        f'fill="#ddd"/><rect y="{middle - 5}" width="{round(SPARK_WIDTH * share, 1)}" '
        f'height="10" fill="#0e6153"/>{marks}</svg>'
    )


def _round_up(value: float) -> float:
    """The next number with one or two leading digits that five ticks divide nicely."""
    if value <= 0:
        return 1.0
    size = 10.0 ** floor(log10(value))
    return next(size * step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if size * step >= value)

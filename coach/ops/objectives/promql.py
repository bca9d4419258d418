"""What an objective says, in Prometheus' query language."""

from collections.abc import Iterable

from coach.ops.objectives.reading import Level, Objective, Selector, Share, Within, seconds

WINDOWS = ("5m", "15m", "1h")
# The window of a threshold; what it must hold for is said beside it.
SHORT = "5m"


def recorded(what: str, window: str, objective: Objective) -> str:
    """The series that a recording rule keeps for this objective."""
    return f'sidecoach:{what}:{window}{{objective="{objective.name}"}}'


def bad_share(objective: Objective, window: str, *, least_events: int) -> str:
    """Bad events over all of them in the window; nothing where there were too few."""
    match objective.measure:
        case Share(bad=bad, of=of):
            bad_rate, of_rate = _sum(bad, window), _sum(of, window)
        case Within(histogram=histogram, ms=ms):
            of_rate = _sum([count_of(histogram)], window)
            bound = histogram.labels(f'le="{ms}.0"')
            good = f"{histogram.metric}_bucket{bound}"
            bad_rate = f"({of_rate} - (sum(rate({good}[{window}])) or vector(0)))"
        case Level():
            raise TypeError(f"{objective.name} has a level and no share")
    least = round(least_events / seconds(window), 9)
    return f"{bad_rate} / ({of_rate} > {least:.9f})"


def quantile_ms(objective: Objective, window: str, *, least_events: int) -> str:
    """The target's quantile of a histogram in ms; nothing where there were too few events."""
    measure = objective.measure
    assert isinstance(measure, Within)
    buckets = f"{measure.histogram.metric}_bucket{measure.histogram.labels()}"
    quantile = f"histogram_quantile({objective.target}, sum by (le) (rate({buckets}[{window}])))"
    least = round(least_events / seconds(window), 9)
    return f"{quantile} and on() ({_sum([count_of(measure.histogram)], window)} > {least:.9f})"


def level(objective: Objective) -> str:
    """The gauge, once for each value of its labels: every worker tells the same."""
    measure = objective.measure
    assert isinstance(measure, Level)
    return f"max by ({', '.join(measure.by)}) ({measure.gauge})"


def count_of(histogram: Selector) -> Selector:
    return Selector(f"{histogram.metric}_count", histogram.matchers)


def _sum(selectors: Iterable[Selector], window: str) -> str:
    """The rate of all these series; 0 where there are none."""
    parts = [f"(sum(rate({each}[{window}])) or vector(0))" for each in selectors]
    return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"

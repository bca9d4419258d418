"""What a bench found: tables, plots, and the words that go with them, as Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
# Tells the operator how far it is.
Say = Callable[[str], None]


@dataclass(frozen=True)
class Table:
    """Rows of figures; columns come in the order in which rows first name them."""

    rows: Sequence[Row]
    title: str = ""

    def as_markdown(self) -> str:
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        lines = [f"**{self.title}**", ""] if self.title else []
        lines += [_line(columns), "|" + " --- |" * len(columns)]
        lines += [_line([_shown(row.get(column)) for column in columns]) for row in self.rows]
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """Everything one bench has to tell; plots are SVG by their file's name."""

    tables: Sequence[Table]
    says: str = ""
    plots: Mapping[str, str] = field(default_factory=dict)

    def as_markdown(self, *, plots_in: str = "plots") -> str:
        """The report as it stands in a document beside the folder of the plots."""
        parts = [self.says] if self.says else []
        parts += [table.as_markdown() for table in self.tables]
        parts += [f"![{_title(name)}]({plots_in}/{name})" for name in self.plots]
        return "\n\n".join(parts)


def plain(rows: Iterable[Row], says: str = "") -> Report:
    """A report that is one table."""
    return Report((Table(list(rows)),), says)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _title(name: str) -> str:
    return name.removesuffix(".svg").replace("-", " ")

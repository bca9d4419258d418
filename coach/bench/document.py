"""The blocks of `docs/performance.md` that commands write: found by their marks, and replaced."""

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from django.conf import settings

from coach.bench.report import Report
from coach.live.admission import memory_limit

DOCUMENT = settings.BASE_DIR / "docs" / "performance.md"


class NoBlock(LookupError):
    """The document has no place marked for this bench."""


@dataclass(frozen=True)
class Machine:
    """When a bench began and on what, without a name or an address."""

    at: datetime
    cores: int
    memory_gib: float
    busy: float

    @classmethod
    def here(cls) -> Self:
        return cls(
            at=datetime.now(UTC),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=memory_limit() / 2**30,
            busy=os.getloadavg()[0],
        )

    def __str__(self) -> str:
        return (
            f"{self.at:%-d %B %Y %H:%M} UTC, {self.cores} {platform.machine()} cores,"
            f" {self.memory_gib:.0f} GiB, Python {platform.python_version()}, PostgreSQL and the"
            f" clients on the same cores; load average {self.busy:.1f} when it began"
        )


def write(name: str, report: Report, machine: Machine, *, document: Path = DOCUMENT) -> None:
    """Put a report in its block, and its plots beside the document. Raises NoBlock."""
    begin, end = f"<!-- made by bench {name} -->", f"<!-- end of bench {name} -->"
    block = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    text = document.read_text(encoding="utf-8")
    if block.search(text) is None:
        raise NoBlock(f"{document.name} has no block `{begin}`")
    told = f"*`manage.py bench {name}`: {machine}.*"
    made = f"{begin}\n{told}\n\n{report.as_markdown()}\n{end}"
    folder = document.parent / "plots"
    for file, svg in report.plots.items():
        folder.mkdir(exist_ok=True)
        (folder / file).write_text(svg, encoding="utf-8")
    document.write_text(block.sub(lambda _: made, text), encoding="utf-8")

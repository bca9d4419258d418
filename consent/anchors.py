"""Anchors: the end of each chain, written where the database's administrator has no hand in it."""

import json
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import UUID

from consent.audit import Anchor
from consent.errors import ConsentError


class AnchorsUnreadable(ConsentError):
    """The file of anchors holds a line that is none; the message says which."""


def append(path: Path, anchors: Iterable[Anchor], *, at: datetime) -> None:
    """Add anchors to the file, on the disk when this returns."""
    lines = "".join(
        json.dumps(
            {
                "at": at.isoformat(),
                "organisation": str(anchor.organisation),
                "seq": anchor.seq,
                "link": anchor.link.hex(),
            }
        )
        + "\n"
        for anchor in anchors
    )
    with path.open("a", encoding="utf-8") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[Anchor]:
    """The anchors of a file. Raises AnchorsUnreadable."""
    anchors = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                link = bytes.fromhex(row["link"])
                anchors.append(Anchor(UUID(row["organisation"]), int(row["seq"]), link))
            except (ValueError, KeyError, TypeError) as exc:
                raise AnchorsUnreadable(f"line {number} of {path.name} is no anchor") from exc
    return anchors

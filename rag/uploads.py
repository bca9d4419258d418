"""Files that come through a page: read, looked at by a person, and then stored as a draft.

The file itself is never stored. Work that takes long runs beside the request, and its row says how
far it has got; a worker that dies leaves a row that nobody hears of any more.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection
from django.utils import timezone

from rag import ingest, sources
from rag.errors import RetrievalError
from rag.index import Progress
from rag.models import Entry, Upload
from safety.errors import SafetyError

log = structlog.get_logger(__name__)

MAX_BYTES = 20 * 2**20
TOLD_EVERY_S = 0.5
SILENT = timedelta(seconds=90)
KEPT = timedelta(days=7)

State = Upload.State


def begin(organisation_id: UUID, playbook: str, file: str, raw: bytes, *, by: str) -> Upload:
    """Start to read a file; its row tells how that goes."""
    Upload.objects.filter(at__lt=timezone.now() - KEPT).delete()
    upload = Upload.objects.create(
        organisation_id=organisation_id, playbook=playbook, file=file[:200], by=by
    )
    _beside(upload, lambda: _read(upload, file, raw))
    return upload


def store(upload: Upload, *, by: str) -> bool:
    """Start to store what was read as a draft; False where it is not there to be stored."""
    waiting = Upload.objects.filter(id=upload.id, state=State.READ)
    if not waiting.update(state=State.STORING, heard_at=timezone.now()):
        return False
    _beside(upload, lambda: _store(upload, by))
    return True


def is_lost(upload: Upload) -> bool:
    """Whether whoever worked on it must have died."""
    working = upload.state in (State.READING, State.STORING)
    return working and upload.heard_at < timezone.now() - SILENT


def read_entries(upload: Upload) -> list[Entry]:
    """The entries as they would be stored."""
    return [Entry(**fields) for fields in upload.entries]


def compared(upload: Upload) -> Counter[str]:
    """How many entries are new, changed and alike beside the live version, and gone from it."""
    now = {fields["key"]: fields["digest"] for fields in upload.entries}
    live = Entry.objects.filter(version__playbook__name=upload.playbook, version__state="published")
    before = dict(live.values_list("key", "digest"))
    counts = Counter(
        "new" if key not in before else "alike" if before[key] == digest else "changed"
        for key, digest in now.items()
    )
    counts["gone"] = len(before.keys() - now.keys())
    return counts


def _read(upload: Upload, file: str, raw: bytes) -> None:
    prepared = ingest.prepare(
        sources.parse(file, raw),
        upload.organisation_id,
        ingest.redactor(),
        progress=_teller(upload),
    )
    _put(
        upload,
        state=State.READ,
        entries=[ingest.fields(entry) for entry in prepared.entries],
        duplicates=list(prepared.duplicates),
        ignored_tags=list(prepared.ignored_tags),
    )


def _store(upload: Upload, by: str) -> None:
    version = ingest.accept(
        read_entries(upload), upload.organisation_id, upload.playbook,
        note=upload.file, by=by, progress=_teller(upload),
    )  # fmt: skip
    _put(upload, state=State.STORED, version=version, entries=[])


def _teller(upload: Upload) -> Progress:
    told = 0.0

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told > TOLD_EVERY_S or done == total:
            told = now
            _put(upload, stage=stage, done=done, total=total)

    return tell


def _put(upload: Upload, **fields: Any) -> None:
    Upload.objects.filter(id=upload.id).update(**fields, heard_at=timezone.now())


def _beside(upload: Upload, work: Callable[[], None]) -> None:
    """Run in a thread of its own, for whom the caller acts, with a connection of its own."""

    def run() -> None:
        with _told(upload):
            work()
        connection.close()

    context = copy_context()
    threading.Thread(target=context.run, args=(run,), name="upload", daemon=True).start()


@contextmanager
def _told(upload: Upload) -> Iterator[None]:
    """Whatever goes wrong stands in the row."""
    try:
        yield
    except (RetrievalError, SafetyError) as exc:
        _put(upload, state=State.FAILED, error=str(exc) or type(exc).__name__)
    except Exception as exc:
        # Nothing that a text was about may reach a log; which place it was does.
        log.error("upload.failed", error=type(exc).__name__)
        _put(upload, state=State.FAILED, error=type(exc).__name__)

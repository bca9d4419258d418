"""What an import has got done, on disk, so that one that was cut off goes on where it stopped.

It holds redacted entries and vectors, never a card as it was written: the key of an entry is a
keyed digest of its card. It lies beside the data and is removed when the import is stored.
"""

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from rag.embedding import Vectors
from rag.errors import ImportUnderWay

COMMIT_EVERY = 200


class Journal:
    """Entries and vectors by digest; safe to share between threads, held by one process at a time.

    Used as a context; entering raises ImportUnderWay while another import holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._unsaved = 0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._hold = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # The kernel lets go of it when its process dies, however it dies.
            fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._hold)
            raise ImportUnderWay("another import of this playbook has not ended yet") from None
        self._file = sqlite3.connect(self._path, check_same_thread=False)
        self._file.execute("CREATE TABLE IF NOT EXISTS entry (key BLOB PRIMARY KEY, fields TEXT)")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS vector"
            " (model TEXT, digest TEXT, value BLOB, PRIMARY KEY (model, digest))"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._file.commit()
        self._file.close()
        if kind is None:
            self._path.unlink()
        os.close(self._hold)

    def entry(self, key: bytes) -> dict[str, Any] | None:
        """The fields of an entry that was redacted before, or None."""
        with self._lock:
            row = self._file.execute("SELECT fields FROM entry WHERE key = ?", [key]).fetchone()
        return dict(json.loads(row[0])) if row else None

    def keep_entry(self, key: bytes, fields: dict[str, Any]) -> None:
        self._write("INSERT OR REPLACE INTO entry VALUES (?, ?)", [(key, json.dumps(fields))])

    def vectors(self, model: str) -> dict[str, Vectors]:
        """Vectors made before by a model, by passage digest, float32."""
        with self._lock:
            rows = self._file.execute("SELECT digest, value FROM vector WHERE model = ?", [model])
            return {digest: np.frombuffer(value, dtype=np.float32) for digest, value in rows}

    def keep_vectors(self, model: str, made: Iterable[tuple[str, Vectors]]) -> None:
        self._write(
            "INSERT OR REPLACE INTO vector VALUES (?, ?, ?)",
            [(model, digest, vector.tobytes()) for digest, vector in made],
        )

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        with self._lock:
            self._file.executemany(statement, rows)
            self._unsaved += len(rows)
            if self._unsaved >= COMMIT_EVERY:
                self._file.commit()
                self._unsaved = 0

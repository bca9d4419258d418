"""Everything that is kept, in one file, and back again: rows, wrapped keys, audit and its anchors.

What opens the wrapped keys, `VAULT_KEY`, is not in it. Whoever has both can read what people wrote
about themselves; keep them apart.
"""

import hashlib
import json
import os
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from psycopg.conninfo import make_conninfo

from coach import embedded, tenancy
from consent import audit

MANIFEST, ANCHORS = "manifest.json", "audit-anchors.jsonl"
# Made by the database's administrator, and there already in an empty database.
NOT_OURS = (" SCHEMA - ", " ACL - SCHEMA ", " COMMENT - SCHEMA ", " COMMENT - EXTENSION ")
LAYOUT = 1


class BackupError(Exception):
    """The backup or the restore did not succeed; the message has the last that was said."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: its parts by digest, and where each audit chain ended."""

    made_at: str
    parts: dict[str, str]
    chains: dict[str, int]
    layout: int = LAYOUT

    def as_json(self) -> str:
        return json.dumps(self.__dict__, indent=1)


def backup(out: Path, *, at: datetime) -> Manifest:
    """Write the backup. All rows are of one moment where the vault is in the same database.

    Raises BackupError, OSError.
    """
    # Before the rows, so that no anchor speaks of a row that the backup lacks.
    with tempfile.TemporaryDirectory() as folder:
        if settings.AUDIT_ANCHORS.exists():
            (Path(folder) / ANCHORS).write_bytes(settings.AUDIT_ANCHORS.read_bytes())
        chains = {str(head.organisation): head.seq for head in audit.heads()}
        for name, alias, schemas in _dumps():
            arguments = [f"--schema={schema}" for schema in schemas]
            target = Path(folder) / name
            # Row-level security binds the owner too, so it says for whom it reads.
            _run("pg_dump", alias, "--format=custom", "--enable-row-security", *arguments,
                 f"--file={target}")  # fmt: skip
        parts = {p.name: _digest(p) for p in sorted(Path(folder).iterdir())}
        manifest = Manifest(at.isoformat(), parts, chains)
        (Path(folder) / MANIFEST).write_text(manifest.as_json(), encoding="utf-8")
        with tempfile.NamedTemporaryFile(dir=out.resolve().parent, delete=False) as made:
            with tarfile.open(fileobj=made, mode="w") as archive:
                for path in sorted(Path(folder).iterdir()):
                    archive.add(path, arcname=path.name)
            made.flush()
            os.fsync(made.fileno())
        Path(made.name).replace(out)
    return manifest


def restore(source: Path, *, replace: bool = False) -> Manifest:
    """Put a backup into an empty database; with `replace`, in place of what is there.

    Each database is restored in one transaction. Raises BackupError, also for a file that is no
    backup or was changed; then nothing was touched.
    """
    with tempfile.TemporaryDirectory() as folder:
        manifest = _unpack(source, Path(folder))
        for _, alias, _ in _dumps():
            if not replace and _tables(alias):
                raise BackupError("the database is not empty; --replace puts the backup in place")
        for name, alias, _ in _dumps():
            if name not in manifest.parts:
                raise BackupError(f"the backup has no {name}: its vault was in another place")
            listed = _run("pg_restore", None, "--list", str(Path(folder) / name))
            wanted = Path(folder) / "wanted"
            lines = [ln for ln in listed.splitlines() if not any(each in ln for each in NOT_OURS)]
            wanted.write_text("\n".join(lines), encoding="utf-8")
            clean = ["--clean", "--if-exists"] if replace else []
            _run("pg_restore", alias, "--no-owner", "--exit-on-error", "--single-transaction",
                 f"--use-list={wanted}", *clean, str(Path(folder) / name))  # fmt: skip
        if ANCHORS in manifest.parts:
            _join_anchors((Path(folder) / ANCHORS).read_text(encoding="utf-8"))
    return manifest


def _dumps() -> list[tuple[str, str, tuple[str, ...]]]:
    """File, alias and schemas of each database: one, or two where the vault has its own."""
    place = [settings.DATABASES[alias] for alias in ("owner", "vault_owner")]
    same = all(place[0][key] == place[1][key] for key in ("HOST", "PORT", "NAME"))
    if same:
        return [("database.dump", "owner", ("public", "vault"))]
    return [("database.dump", "owner", ("public",)), ("vault.dump", "vault_owner", ("vault",))]


def _tables(alias: str) -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname IN ('public', 'vault') AND c.relkind = 'r'"
        )
        (count,) = cursor.fetchone()
    connections[alias].close()
    return int(count)


def _run(program: str, alias: str | None, *arguments: str) -> str:
    """One of PostgreSQL's programs, as the owner and for every organisation; what it printed."""
    environment = {**os.environ, "PGOPTIONS": f"-c {tenancy.ORGANISATIONS}={tenancy.EVERY}"}
    if alias is not None:
        database = settings.DATABASES[alias]
        environment["PGPASSWORD"] = database["PASSWORD"]
        options = {k: v for k, v in database["OPTIONS"].items() if k != "options"}
        where = make_conninfo(
            dbname=database["NAME"], user=database["USER"], host=database["HOST"] or None,
            port=database["PORT"] or None, **options,
        )  # fmt: skip
        arguments = (f"--dbname={where}", *arguments)
    done = subprocess.run(  # noqa: S603  our own program, our own arguments
        [str(embedded.programs() / program), *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BackupError(f"{program}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _unpack(source: Path, folder: Path) -> Manifest:
    try:
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest(**told)
        found = {name: _digest(folder / name) for name in manifest.parts}
    except (OSError, tarfile.TarError, ValueError, TypeError) as exc:
        raise BackupError(f"{source.name} is no backup ({type(exc).__name__})") from exc
    if manifest.layout != LAYOUT:
        raise BackupError(f"{source.name} has layout {manifest.layout}, this is {LAYOUT}")
    if found != manifest.parts:
        raise BackupError(f"{source.name} was changed after it was made")
    return manifest


def _join_anchors(kept: str) -> None:
    """Add the backup's anchors to those here: an anchor once given is not taken back."""
    path = settings.AUDIT_ANCHORS
    here = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    missing = [line for line in kept.splitlines() if line not in set(here)]
    if missing:
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in missing))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

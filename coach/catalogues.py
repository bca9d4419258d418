"""The catalogues of translated words: what is in the code, what is in them, and compiling them.

Babel does the work of GNU gettext, which is on few machines; it comes with the `dev` extra.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation.template import templatize

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

ROOT = Path(settings.BASE_DIR)
HOME = Path(settings.LOCALE_PATHS[0])
CODE = ("coach", "consent", "rag", "safety")
LANGUAGES = tuple(code for code, _name in settings.LANGUAGES if code != "en")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
}
# What a script (`{name}`) or Python (`%(n)d`) fills in.
PLACEHOLDER = re.compile(r"\{\w+\}|%\(\w+\)[ds]")

Message = str | tuple[str, ...]


def messages() -> dict[Message, list[str]]:
    """Every message of templates and code, with the files it is in."""
    found: dict[Message, list[str]] = {}
    for path, source in _sources():
        for message in _extract(source):
            places = found.setdefault(message, [])
            if path not in places:
                places.append(path)
    return found


def read(language: str) -> "Catalog":
    """The catalogue of a language as it is written; empty where there is none yet."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po

    path = po_path(language)
    if not path.exists():
        return Catalog(locale=language, project="Sidecoach", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language, charset="utf-8")


def update(language: str) -> list[Message]:
    """Write the catalogue with exactly today's messages, compiled; those still to translate."""
    from babel.messages.pofile import write_po

    before = read(language)
    catalogue = _empty(language)
    for message, places in sorted(messages().items(), key=lambda entry: str(entry[0])):
        known = before.get(message if isinstance(message, str) else message[0])
        words = known.string if known is not None and not known.fuzzy else None
        catalogue.add(message, words, locations=[(place, 0) for place in places])
    path = po_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=100, include_lineno=False, omit_header=False)
    path.with_suffix(".mo").write_bytes(compiled(catalogue))
    return missing(catalogue)


def compiled(catalogue: "Catalog") -> bytes:
    """The catalogue as Django reads it; the same bytes for the same words."""
    from babel.messages.mofile import write_mo

    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def missing(catalogue: "Catalog") -> list[Message]:
    """The messages without words, or without some of their plural forms."""
    return [
        _plain(message.id)
        for message in catalogue
        if message.id
        and not (all(message.string) if isinstance(message.string, tuple) else message.string)
    ]


def placeholders(text: str) -> set[str]:
    """What has to be filled in, in any order."""
    return set(PLACEHOLDER.findall(text))


def po_path(language: str) -> Path:
    return HOME / language / "LC_MESSAGES" / "django.po"


def _empty(language: str) -> "Catalog":
    from datetime import UTC, datetime

    from babel.messages.catalog import Catalog

    # A date would make every run a change.
    never = datetime(2026, 1, 1, tzinfo=UTC)
    return Catalog(
        locale=language, project="Sidecoach", version="1", header_comment="",
        creation_date=never, revision_date=never, last_translator="Sidecoach",
        language_team="Sidecoach", msgid_bugs_address="the issue tracker", fuzzy=False,
    )  # fmt: skip


def _sources() -> Iterator[tuple[str, str]]:
    """Each file that may hold messages, as (path from the root, Python source)."""
    for app in CODE:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "templates").rglob("*.*")):
        source = templatize(path.read_text(encoding="utf-8"), origin=str(path))
        # What is left of the markup is indented as no Python is.
        yield str(path.relative_to(ROOT)), "\n".join(map(str.strip, source.splitlines()))


def _extract(source: str) -> Iterator[Message]:
    from babel.messages.extract import extract

    for _line, message, _comments, _context in extract(
        "python", io.BytesIO(source.encode()), KEYWORDS
    ):
        yield _plain(message)


def _plain(message: str | list[str] | tuple[str, ...]) -> Message:
    return message if isinstance(message, str) else tuple(message)

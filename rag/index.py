"""A version's index: passages of its entries, and everything a search reads about them."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from rag import chunking, dense, lexical
from rag.embedding import Encoder, Vectors
from rag.journal import Journal
from rag.models import Entry, Facet, Passage, Phrase, PlaybookVersion, TextSearch

# (stage, done, total)
Progress = Callable[[str, int, int], None]


def unseen(_stage: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


FACETS: Mapping[str, str] = {
    "language": "language",
    "deck": "decks",
    "activity": "activities",
    "role": "roles",
    "audience": "audiences",
}
# An entry that names no role or audience is for everyone.
OPEN_FACETS = frozenset({"role", "audience"})
EMBED_BATCH = 64
ROWS_BATCH = 2_000


@dataclass(frozen=True)
class Planned:
    """A passage to be, with the text it is found by (`searched`) and the text it shows."""

    entry: Entry
    ordinal: int
    text: str
    searched: str

    @property
    def digest(self) -> str:
        return hashlib.blake2b(self.searched.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Plan:
    """All passages of a version and their vectors, row by row; `reused` were known before."""

    passages: tuple[Planned, ...]
    vectors: Vectors
    model: str
    reused: int


def plan(
    entries: Iterable[Entry],
    encoder: Encoder,
    *,
    known: Mapping[str, Vectors],
    progress: Progress = unseen,
    split: chunking.Split = chunking.split,
    journal: Journal | None = None,
) -> Plan:
    """Cut entries into passages and embed those whose digest is not `known` yet.

    Entries in quarantine get none. Touches no database, so that it may take its time; what is
    embedded goes into the journal.
    """
    passages = tuple(_passages(entries, split))
    vectors = np.empty((len(passages), encoder.dimension), dtype=np.float32)
    fresh: list[int] = []
    for row, passage in enumerate(passages):
        vector = known.get(passage.digest)
        if vector is None:
            fresh.append(row)
        else:
            vectors[row] = vector

    def keep(rows: Sequence[int]) -> None:
        if journal is not None:
            journal.keep_vectors(encoder.model, ((passages[n].digest, vectors[n]) for n in rows))

    texts = [passages[row].searched for row in fresh]
    embed_into(vectors, fresh, texts, encoder, progress, embedded=keep)
    return Plan(passages, vectors, encoder.model, reused=len(passages) - len(fresh))


def embed_into(
    vectors: Vectors,
    rows: Sequence[int],
    texts: Sequence[str],
    encoder: Encoder,
    progress: Progress,
    *,
    embedded: Callable[[Sequence[int]], None] = lambda _rows: None,
) -> None:
    """Fill the rows with their texts' vectors, on all processors, and tell of each batch."""
    batches = [
        (rows[start : start + EMBED_BATCH], texts[start : start + EMBED_BATCH])
        for start in range(0, len(rows), EMBED_BATCH)
    ]
    done = 0
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="ingest") as threads:
        for (batch, _), made in zip(
            batches, threads.map(lambda batch: encoder.embed(batch[1]), batches), strict=True
        ):
            vectors[list(batch)] = made
            embedded(batch)
            done += len(batch)
            progress("embedding", done, len(rows))


def write(version: PlaybookVersion, made: Plan) -> None:
    """Replace a version's passages and index by the plan's, all or nothing."""
    with transaction.atomic():
        _clear(version)
        _write_passages(version, made.passages)
        write_terms(version, [(p.searched, TextSearch(p.entry.language)) for p in made.passages])
        write_vectors(version, made.vectors, made.model)
        _write_facets(version, made.passages)
        _write_phrases(version, made.passages)
        version.embedding_model = made.model
        version.passage_count = len(made.passages)
        version.approximate = dense.needs_hnsw(len(made.passages), int(made.vectors.shape[1]))
        version.indexed_at = timezone.now()
        version.save()


def write_terms(version: PlaybookVersion, texts: Sequence[tuple[str, TextSearch]]) -> None:
    weighed = lexical.weigh(
        lexical.analyse(
            [text for text, _ in texts], [language.configuration for _, language in texts]
        )
    )
    lexical.write(weighed, organisation_id=version.organisation_id, version_id=version.id)
    version.mean_length = weighed.mean_length


def write_vectors(version: PlaybookVersion, vectors: Vectors, model: str) -> None:
    dense.write(
        vectors,
        range(len(vectors)),
        organisation_id=version.organisation_id,
        version_id=version.id,
        model=model,
        approximate=dense.needs_hnsw(len(vectors), int(vectors.shape[1])),
    )


def embed_stored(version: PlaybookVersion, encoder: Encoder, progress: Progress) -> Vectors:
    """Vectors of a version's passages as they stand, row by row of their numbers."""
    texts = [
        searched_text(passage.entry, passage.ordinal, passage.text)
        for passage in version.passages.select_related("entry").order_by("number")
    ]
    vectors = np.empty((len(texts), encoder.dimension), dtype=np.float32)
    embed_into(vectors, range(len(texts)), texts, encoder, progress)
    return vectors


def replace_vectors(version: PlaybookVersion, vectors: Vectors, model: str) -> None:
    """Have a version searched by another model's vectors; call it inside a transaction."""
    version.vectors.all().delete()
    write_vectors(version, vectors, model)
    version.embedding_model = model
    version.approximate = dense.needs_hnsw(len(vectors), int(vectors.shape[1]))
    version.save(update_fields=["embedding_model", "approximate"])


def known_vectors(playbook_id: UUID, model: str) -> dict[str, Vectors]:
    """The vectors of the playbook's latest indexed version by passage digest, as float32."""
    latest = (
        PlaybookVersion.objects.filter(playbook_id=playbook_id, embedding_model=model)
        .order_by("-number")
        .values_list("id", flat=True)
        .first()
    )
    if latest is None:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT passage.digest, halfvec_send(vector.embedding) FROM rag_passage AS passage"
            " JOIN rag_vector AS vector ON vector.version_id = passage.version_id"
            "  AND vector.passage = passage.number AND vector.model = %s"
            " WHERE passage.version_id = %s",
            [model, latest],
        )
        return {digest: dense.received(sent) for digest, sent in cursor.fetchall()}


def searched_text(entry: Entry, ordinal: int, text: str) -> str:
    """The text a passage is found by: its title and words, and once what tells when it fits.

    A card that asks a question shares few words with the talk it is for; its example and trigger
    phrases are that talk (docs/retrieval.md).
    """
    fits = () if ordinal else (entry.example, ". ".join(entry.triggers))
    return "\n".join(filter(None, (entry.title, text, *fits)))


def folded(text: str) -> str:
    """Lower-case words with single spaces, so that phrases compare whatever their punctuation."""
    return " ".join(re.findall(r"[\w'’]+", unicodedata.normalize("NFKC", text).casefold()))


def _passages(entries: Iterable[Entry], split: chunking.Split) -> Iterator[Planned]:
    for entry in entries:
        if entry.quarantine:
            continue
        for ordinal, text in enumerate(split(entry.body)):
            yield Planned(entry, ordinal, text, searched_text(entry, ordinal, text))


def _clear(version: PlaybookVersion) -> None:
    with connection.cursor() as cursor:
        for table in ("passage", "term", "facet", "phrase", "vector"):
            cursor.execute(f"DELETE FROM rag_{table} WHERE version_id = %s", [version.id])


def _write_passages(version: PlaybookVersion, passages: Sequence[Planned]) -> None:
    rows = (
        Passage(
            organisation_id=version.organisation_id,
            version=version,
            entry=passage.entry,
            number=number,
            ordinal=passage.ordinal,
            title=passage.entry.title,
            text=passage.text,
            digest=passage.digest,
        )
        for number, passage in enumerate(passages)
    )
    while batch := list(islice(rows, ROWS_BATCH)):
        Passage.objects.bulk_create(batch)


def _write_facets(version: PlaybookVersion, passages: Sequence[Planned]) -> None:
    members: dict[tuple[str, str], list[int]] = {}
    for number, passage in enumerate(passages):
        for facet, field in FACETS.items():
            given = getattr(passage.entry, field)
            values = {given} if isinstance(given, str) else set(given)
            if not values and facet in OPEN_FACETS:
                values = {""}
            for value in values:
                members.setdefault((facet, value.casefold()), []).append(number)
    Facet.objects.bulk_create(
        Facet(
            organisation_id=version.organisation_id,
            version=version,
            field=facet,
            value=value,
            members=_bits(numbers, len(passages)),
        )
        for (facet, value), numbers in members.items()
    )


def _write_phrases(version: PlaybookVersion, passages: Sequence[Planned]) -> None:
    heard: set[tuple[str, bool, int]] = set()
    for number, passage in enumerate(passages):
        if passage.ordinal == 0:
            heard.add((folded(passage.entry.title), True, number))
            heard |= {(folded(trigger), False, number) for trigger in passage.entry.triggers}
    Phrase.objects.bulk_create(
        (
            Phrase(
                organisation_id=version.organisation_id,
                version=version,
                phrase=phrase,
                is_title=is_title,
                passage=number,
            )
            for phrase, is_title, number in sorted(heard)
            if phrase
        ),
        batch_size=ROWS_BATCH,
    )


def _bits(numbers: Sequence[int], size: int) -> str:
    bits = np.full(size, "0")
    bits[list(numbers)] = "1"
    return "".join(bits.tolist())

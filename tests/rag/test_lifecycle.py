import asyncio
import contextvars
import threading
from contextlib import suppress

import pytest
from django.db import IntegrityError, connection, transaction

from rag import ingest, lifecycle
from rag.embedding import Encoder
from rag.errors import PlaybookMissing, VersionClosed
from rag.models import Passage, Playbook, PlaybookVersion, VersionEvent
from rag.retrieval import Retrieval
from rag.sources import Card
from tests.proofs import repeats


def card(key, body):
    return Card(key=key, title=f"Title {key}", body=body)


def test_publishing_retires_the_version_before(shelve):
    library = shelve([card("a", "One.")])
    library.import_cards([card("a", "Two.")])
    states = dict(library.playbook.versions.values_list("number", "state"))
    assert states == {1: "retired", 2: "published"}


def test_rolling_back_brings_the_version_before(shelve):
    library = shelve([card("a", "One.")])
    library.import_cards([card("a", "Two.")])
    library.playbook.refresh_from_db()
    assert lifecycle.rollback(library.playbook, by="fay").number == 1
    library.playbook.refresh_from_db()
    with pytest.raises(VersionClosed):
        lifecycle.rollback(library.playbook)
    assert lifecycle.rollback(library.playbook, to=2).number == 2


async def test_a_retired_playbook_finds_nothing_and_keeps_its_passages(shelve):
    library = shelve([card("a", "One.")])
    cited = (await library.search("one")).passages[0].id
    lifecycle.retire(library.playbook)
    assert (await library.search("one")).passages == ()
    assert await Passage.objects.filter(id=cited).aexists()


def test_a_difference_names_what_was_added_removed_and_changed(shelve):
    library = shelve([card("a", "One."), card("b", "Two."), card("c", "Three.")])
    library.import_cards([card("a", "One."), card("b", "Four."), card("d", "Five.")])
    old, new = library.playbook.versions.order_by("number")
    assert lifecycle.difference(old, new) == lifecycle.Difference(("d",), ("c",), ("b",))


def test_an_export_imports_as_the_same(shelve, scratch):
    library = shelve()
    version = library.playbook.versions.get()
    from rag.sources import _card

    cards = [_card(row, 1) for row in lifecycle.export(version)]
    library.import_cards(cards)
    old, new = library.playbook.versions.order_by("number")
    assert lifecycle.difference(old, new) == lifecycle.Difference((), (), ())


async def test_a_draft_begins_with_what_is_live_and_is_edited_without_touching_it(shelve):
    library = shelve([card("a", "One breath."), card("b", "One step.")])
    live = await PlaybookVersion.objects.select_related("playbook").aget(playbook=library.playbook)
    made = ingest.draft(live, by="fay")
    assert lifecycle.difference(live, made) == lifecycle.Difference((), (), ())
    entry = await made.entries.select_related("version").aget(key="a")
    entry.body = "Two breaths."
    ingest.edit(entry, by="fay")
    assert {p.text for p in (await library.search("breath step")).passages} == {
        "One breath.", "One step.",
    }  # fmt: skip
    ingest.refresh(await PlaybookVersion.objects.aget(id=made.id), by="fay")
    lifecycle.publish(made.id, by="fay")
    assert "Two breaths." in {p.text for p in (await library.search("breath step")).passages}


def test_history_says_who_did_what(shelve):
    library = shelve([card("a", "One.")])
    version = library.playbook.versions.get()
    acts = VersionEvent.objects.filter(version_id=version.id).order_by("pk")
    assert [event.act for event in acts] == ["imported", "published"]


def test_the_database_allows_one_published_version(shelve):
    library = shelve([card("a", "One.")])
    library.import_cards([card("a", "Two.")], publish=False)
    with pytest.raises(IntegrityError), transaction.atomic():
        library.playbook.versions.filter(number=2).update(state="published")


def test_an_unknown_playbook_or_version_is_named(shelve):
    library = shelve([card("a", "One.")])
    with pytest.raises(PlaybookMissing):
        lifecycle.find(library.playbook.organisation_id, "other")
    with pytest.raises(PlaybookMissing):
        lifecycle.version(library.playbook, 7)


VERSIONS, CLIENTS = repeats(30, full=100), 20


async def test_searches_see_one_version_while_a_hundred_others_are_published(shelve):
    """Publishing and rolling back while clients search: each answer is of one version only."""
    library = shelve([card("a", "One breath."), card("b", "One step.")])
    for number in range(2, VERSIONS + 1):
        library.import_cards(
            [card("a", f"One breath {number}."), card("b", f"One step {number}.")], publish=False
        )
    versions = [v async for v in PlaybookVersion.objects.filter(playbook=library.playbook)]
    assert len(versions) == VERSIONS
    done = threading.Event()

    def churn():
        try:
            for version in reversed(versions):
                lifecycle.publish(version.id)
                if version.number % 2:
                    library.playbook.refresh_from_db()
                    with suppress(VersionClosed):
                        lifecycle.rollback(library.playbook)
        finally:
            connection.close()
            done.set()

    async def search():
        seen = set()
        while not done.is_set():
            found = await library.search("one breath or step")
            assert len(found.passages) == 2
            assert {p.version for p in found.passages} == {found.version}
            assert {p.text.rpartition(" ")[2] for p in found.passages} == (
                {f"{found.version}."} if found.version > 1 else {"breath.", "step."}
            )
            held = Passage.objects.filter(
                id__in=[p.id for p in found.passages], version_id=found.version_id
            )
            assert await held.acount() == 2
            seen.add(found.version)
        return seen

    # A thread begins in no scope at all.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(churn,))
    thread.start()
    seen = await asyncio.gather(*(search() for _ in range(CLIENTS)))
    thread.join()
    assert len(set.union(*seen)) > VERSIONS / 10


class Renamed(Encoder):
    """The encoder under another model's name, with vectors that point the other way."""

    def __init__(self, encoder):
        self.model, self.dimension, self.inner = "other", encoder.dimension, encoder

    def embed(self, texts):
        return -self.inner.embed(texts)

    async def embed_query(self, text, *, timeout_s):
        return -(await self.inner.embed_query(text, timeout_s=timeout_s))


async def test_a_model_changed_under_load_never_mixes_and_never_fails(shelve, encoder, live):
    library = shelve()
    version = await PlaybookVersion.objects.aget(playbook=library.playbook)
    former = Retrieval(live, encoder)
    latter = Retrieval(live, Renamed(encoder))
    done = threading.Event()

    def switch():
        try:
            for turn in range(10):
                lifecycle.reembed(version.id, encoder if turn % 2 else Renamed(encoder))
        finally:
            connection.close()
            done.set()

    async def search(retrieval):
        semantic = []
        while not done.is_set():
            found = await retrieval.search(
                "I lie awake at night over one thought",
                organisation_id=library.playbook.organisation_id,
                playbook_id=library.playbook.id,
                timeout_s=5,
            )
            assert found.passages[0].entry == "sleep"
            cosines = [p.explanation.cosine for p in found.passages]
            if found.semantic:
                # Across models every cosine would be turned round.
                assert cosines[0] > 0.3
            else:
                assert cosines == [None] * len(cosines)
            semantic.append(found.semantic)
        return semantic

    thread = threading.Thread(target=contextvars.copy_context().run, args=(switch,))
    thread.start()
    seen = await asyncio.gather(*(search(one) for one in (former, latter) for _ in range(4)))
    thread.join()
    assert {True, False} <= {each for semantic in seen for each in semantic}


async def test_another_model_takes_over_in_one_step(shelve, encoder):
    library = shelve([card("a", "One breath."), card("b", "One step.")])
    version = await PlaybookVersion.objects.aget(playbook=library.playbook)
    cited = (await library.search("breathing")).passages[0].id
    await PlaybookVersion.objects.filter(id=version.id).aupdate(embedding_model="former")
    assert not (await library.search("breathing")).semantic
    lifecycle.reembed(version.id, encoder)
    found = await library.search("breathing")
    assert found.semantic
    assert found.passages[0].id == cited


def test_a_playbook_is_of_one_organisation(shelve):
    one, other = shelve([card("a", "One.")]), shelve([card("a", "One.")])
    assert Playbook.objects.filter(slug="library").count() >= 2
    assert one.playbook.organisation_id != other.playbook.organisation_id

"""A small library of cards, and everything real that it takes to search it."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coach.database import Database, DatabaseError
from rag import ingest, lifecycle
from rag.embedding import Encoder
from rag.models import Playbook
from rag.retrieval import Found, Retrieval
from rag.sources import Card
from safety.redaction import Redactor

CARDS = (
    Card(
        key="goal",
        title="The one goal",
        body="What would you like to have reached by the end of this month?",
        decks=("goals",),
        activities=("opening",),
        triggers=("where do I start",),
    ),
    Card(
        key="quarrel",
        title="Two sides of a quarrel",
        body="Describe the argument as a fly on the wall would, then as your colleague would.",
        decks=("conflict",),
        activities=("exploring",),
        when_emotions=("anger",),
    ),
    Card(
        key="quarrel-again",
        title="A quarrel seen from outside",
        body="Describe the argument as a fly on the wall would, and then as the colleague does.",
        decks=("conflict",),
        activities=("exploring",),
    ),
    Card(
        key="sleep",
        title="Before the night",
        body="Which thought keeps you awake, and what could wait for it on paper till morning?",
        decks=("stress",),
        activities=("exploring",),
        when_emotions=("fear",),
    ),
    Card(
        key="delegate",
        title="Hand it over",
        body="Which task could somebody else do at eighty percent of your quality this week?",
        decks=("delegation",),
        activities=("closing",),
        roles=("facilitator",),
    ),
    Card(
        key="listen",
        title="Stay with it",
        body="I am listening. Say a little more about what matters most to you in this.",
        decks=("listening",),
        activities=("fallback",),
    ),
)


@dataclass(frozen=True)
class Library:
    """A playbook of an organisation of its own."""

    retrieval: Retrieval
    playbook: Playbook
    import_cards: Callable[..., ingest.Report]

    async def search(self, text: str, **options: Any) -> Found:
        given = {"limit": 3, "timeout_s": 5.0} | options
        return await self.retrieval.search(
            text,
            organisation_id=self.playbook.organisation_id,
            playbook_id=self.playbook.id,
            **given,
        )

    async def entries(self, text: str, **options: Any) -> list[str]:
        return [passage.entry for passage in (await self.search(text, **options)).passages]


@pytest.fixture(scope="session")
def encoder(embedder: Path) -> Encoder:
    return Encoder.load(embedder)


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor.load()


@pytest.fixture(scope="session")
async def live(database: None) -> AsyncIterator[Database]:
    opened = Database("default")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def retrieval(live: Database, encoder: Encoder) -> Retrieval:
    return Retrieval(live, encoder, unavailable=(DatabaseError,))


@pytest.fixture
def shelve(
    database: None, retrieval: Retrieval, encoder: Encoder, redactor: Redactor
) -> Callable[..., Library]:
    """Publishes cards as a playbook of a new organisation."""

    def make(cards: Sequence[Card] = CARDS, *, publish: bool = True) -> Library:
        organisation = uuid.uuid4()

        def import_cards(cards: Sequence[Card], **options: Any) -> ingest.Report:
            return ingest.import_cards(
                cards,
                organisation_id=organisation,
                name="Library",
                encoder=encoder,
                redactor=redactor,
                **{"publish": True} | options,
            )

        import_cards(cards, publish=publish)
        return Library(retrieval, lifecycle.find(organisation, "library"), import_cards)

    return make


@pytest.fixture
def library(shelve: Callable[..., Library]) -> Library:
    return shelve()

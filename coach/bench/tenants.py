"""Organisations and playbooks of any size for a bench, made quickly of our own sentences."""

from functools import cache
from typing import Any
from uuid import uuid4

import numpy as np
from django.contrib.auth import get_user_model

from coach import tenancy
from coach.demo.load import PLAYBOOK_FILE
from coach.models import Organisation, Staff
from coach.rooms.access import issue_token
from rag import ingest
from rag.benchmark import store_made
from rag.embedding import Vectors
from rag.models import Playbook
from rag.sources import read

SENTENCES = 2


def tenant(passages: int) -> str:
    """A new organisation with a playbook of so many passages; its facilitator's token."""
    name = f"bench-{uuid4().hex[:12]}"
    organisation = Organisation.objects.create(slug=name, name=name)
    user: Any = get_user_model().objects.create(username=name)
    Staff.objects.create(user=user, organisation=organisation, role=Staff.Role.FACILITATOR)
    playbook(organisation, passages)
    with tenancy.acting(tenancy.of([organisation.id], actor="bench")):
        return issue_token(user=user)


def playbook(organisation: Organisation, passages: int) -> Playbook:
    """The demo's sentences in random pairs, published.

    A passage's vector is the mean of its sentences', so that search finds what people speak of
    and a hundred thousand passages need no hour of embedding.
    """
    rng = np.random.default_rng(passages)
    texts, vectors = _sentences()
    picked = np.array([
        rng.choice(len(texts), SENTENCES, replace=False) for _ in range(passages)
    ])  # fmt: skip
    made = vectors[picked].mean(axis=1)
    unit: Vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    bodies = [" ".join(texts[number] for number in row) for row in picked]
    keys = [str(number) for number in range(passages)]
    return store_made(organisation.id, keys, bodies, unit, ingest.encoder().model)


@cache
def _sentences() -> tuple[list[str], Vectors]:
    cards = read(PLAYBOOK_FILE)
    texts = [text for card in cards for text in (card.body, card.example) if text]
    return texts, ingest.encoder().embed(texts)

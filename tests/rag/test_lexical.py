import gzip
import json
import os
import random
from pathlib import Path

import bm25s
import numpy as np
import pytest
from django.conf import settings
from scipy import sparse

from rag import lexical
from rag.models import Passage
from rag.sources import Card, read
from tests.proofs import repeats

WORDS = [
    "goal",
    "plan",
    "meeting",
    "argument",
    "colleague",
    "silence",
    "question",
    "answer",
    "pressure",
    "deadline",
    "pause",
    "breath",
    "manager",
    "team",
    "trust",
    "feedback",
    "listening",
    "energy",
    "night",
    "morning",
    "promise",
    "doubt",
    "choice",
    "step",
    "review",
]


@pytest.fixture(scope="module")
def texts():
    rng = random.Random(11)
    return [" ".join(rng.choices(WORDS, k=rng.randint(3, 40))) for _ in range(300)]


QUERIES = repeats(300, full=1_000)


def corpora():
    """The demo playbook, a generated corpus, and labelled corpora where LABELLED_DATA has them."""
    demo = Path(settings.BASE_DIR) / "coach" / "demo" / "playbook.jsonl"
    yield "demo", [card.body for card in read(demo)]
    rng = random.Random(11)
    yield "made", [" ".join(rng.choices(WORDS, k=rng.randint(3, 40))) for _ in range(300)]
    for path in sorted(Path(os.environ.get("LABELLED_DATA", "absent")).rglob("corpus.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield path.parent.name, [json.loads(line)["text"] for line in lines]


@pytest.mark.parametrize("corpus", [pytest.param(texts, id=name) for name, texts in corpora()])
def test_a_thousand_queries_score_as_with_bm25s(database, corpus):
    analysed = lexical.analyse(corpus, ["english"] * len(corpus))
    weighed = lexical.weigh(analysed)
    ours = sparse.csc_matrix(
        (weighed.weight, (analysed.text, analysed.term)),
        shape=(len(corpus), len(analysed.terms)),
    )
    reference = bm25s.BM25(method="lucene", k1=lexical.K1, b=lexical.B, dtype="float64")
    tokens: list[list[str]] = [[] for _ in corpus]
    for term, text, count in zip(analysed.term, analysed.text, analysed.count, strict=True):
        tokens[text] += [analysed.terms[term]] * int(count)
    reference.index(tokens, show_progress=False)
    columns = {term: column for column, term in enumerate(analysed.terms)}
    rng = random.Random(5)
    for _ in range(QUERIES):
        asked = rng.sample(analysed.terms, k=rng.randint(1, 12))
        theirs = reference.get_scores(asked)
        sums = np.asarray(ours[:, [columns[term] for term in asked]].sum(axis=1)).ravel()
        assert np.abs(sums - theirs).max() < 1e-6


async def test_ties_are_in_the_same_order_every_time(shelve):
    library = shelve([
        Card(key=f"k{n}", title=f"T{n}", body="Stay silent a while.") for n in range(30)
    ])  # fmt: skip
    orders = {tuple(await library.entries("silent", mode="lexical", limit=20)) for _ in range(20)}
    assert len(orders) == 1
    assert len(orders.pop()) == 20


async def test_a_search_sums_exactly_these_weights(shelve, texts):
    library = shelve([Card(key=str(n), title="", body=text) for n, text in enumerate(texts)])
    # What is indexed is what redaction left of them.
    stored = Passage.objects.filter(version__playbook=library.playbook).order_by("number")
    kept = list(stored.values_list("text", flat=True))
    analysed = lexical.analyse([*kept], ["english"] * len(kept))
    weighed = lexical.weigh(analysed)
    terms = [analysed.terms.index(lexeme) for lexeme in ("silenc", "deadlin", "trust")]
    scores = np.zeros(len(kept))
    for term, text, weight in zip(analysed.term, analysed.text, weighed.weight, strict=True):
        if term in terms:
            scores[text] += weight

    found = await library.search("silence, deadlines, trusting", mode="lexical", limit=10)

    best = sorted(range(len(kept)), key=lambda n: (-scores[n], n))[:10]
    assert [p.explanation.bm25 for p in found.passages] == pytest.approx(scores[best], abs=1e-9)
    assert [p.text for p in found.passages] == [kept[n] for n in best]


async def test_a_word_said_twice_counts_twice(library):
    once = await library.search("quarrel", mode="lexical")
    twice = await library.search("quarrel quarrel", mode="lexical")
    assert twice.passages[0].score == pytest.approx(2 * once.passages[0].score)


@pytest.mark.parametrize(
    ("language", "body", "asked"),
    [
        ("de", "Welche Gespräche fallen dir schwer?", "ein schweres Gespräch"),
        ("fr", "Quelles décisions restent ouvertes ?", "une décision ouverte"),
        ("en", "Which meetings tire you?", "a tiring meeting"),
    ],
    ids=["german", "french", "english"],
)
async def test_each_language_is_stemmed_by_its_own_rules(shelve, language, body, asked):
    library = shelve([Card(key="card", title="", body=body, language=language)])
    assert await library.entries(asked, mode="lexical") == ["card"]


def test_no_texts_make_no_terms(database):
    weighed = lexical.weigh(lexical.analyse([], []))
    assert weighed.mean_length == 0
    assert len(weighed.weight) == 0

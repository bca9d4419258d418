import random

import bm25s
import numpy as np
import pytest

from rag import lexical
from rag.models import Passage
from rag.sources import Card

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


def test_weights_are_those_of_bm25s(database, texts):
    analysed = lexical.analyse(texts, ["english"] * len(texts))
    weighed = lexical.weigh(analysed)
    ours = np.zeros((len(texts), len(analysed.terms)))
    ours[analysed.text, analysed.term] = weighed.weight

    reference = bm25s.BM25(method="lucene", k1=lexical.K1, b=lexical.B, dtype="float64")
    tokens: list[list[str]] = [[] for _ in texts]
    for term, text, count in zip(analysed.term, analysed.text, analysed.count, strict=True):
        tokens[text] += [analysed.terms[term]] * int(count)
    reference.index(tokens, show_progress=False)
    rng = random.Random(5)
    for _ in range(200):
        asked = rng.sample(analysed.terms, k=rng.randint(1, 6))
        theirs = reference.get_scores(asked)
        columns = [analysed.terms.index(term) for term in asked]
        assert np.abs(ours[:, columns].sum(axis=1) - theirs).max() < 1e-6


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

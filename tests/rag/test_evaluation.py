import gzip
import json

import pytest

from rag.errors import SourceUnreadable
from rag.evaluation import interval, ndcg, recall, reciprocal_rank, retrieval
from rag.models import Playbook


def test_measures_are_those_of_the_books():
    relevant = {"a": 1.0, "b": 1.0}
    assert ndcg(["a", "b"], relevant) == 1.0
    assert ndcg(["x", "a"], {"a": 1.0}) == pytest.approx(0.6309, abs=1e-4)
    assert ndcg([], relevant) == 0.0
    assert recall(["a", "x"], relevant) == 0.5
    assert reciprocal_rank(["x", "y", "b"], relevant) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x"], relevant) == 0.0


def test_graded_gains_count_by_their_grade():
    assert ndcg(["a", "b"], {"a": 1.0, "b": 2.0}) < ndcg(["b", "a"], {"a": 1.0, "b": 2.0}) == 1.0


def test_an_interval_holds_its_mean():
    measured = interval([0.0, 1.0] * 50)
    assert measured.low < measured.mean == 0.5 < measured.high
    assert interval([]).mean == 0.0


def write(path, rows):
    path.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))


def test_a_corpus_is_imported_measured_and_taken_away(scratch, embedder):
    folder = scratch / "tiny"
    folder.mkdir()
    write(
        folder / "corpus.jsonl.gz",
        [
            {"_id": "d1", "title": "Sleep", "text": "What keeps you awake at night?"},
            {"_id": "d2", "title": "Conflict", "text": "Who else was in the argument?"},
        ],
    )
    write(
        folder / "queries.dev.jsonl.gz",
        [{"_id": "q1", "text": "lying awake"}, {"_id": "q2", "text": "we had an argument"}],
    )
    write(
        folder / "qrels.dev.jsonl.gz",
        [
            {"query_id": "q1", "doc_id": "d1", "score": 1},
            {"query_id": "q2", "doc_id": "d2", "score": 1},
        ],
    )
    figures = retrieval(scratch)["tiny"]["dev"]
    assert figures["queries"] == 2
    for leg in ("lexical", "dense", "reciprocal rank", "hybrid"):
        assert figures[leg]["ndcg_10"]["mean"] == 1.0
        assert figures[leg]["p50_ms"] > 0
    assert not Playbook.objects.filter(slug="tiny").exists()


def test_a_folder_without_a_corpus_is_refused(scratch):
    with pytest.raises(SourceUnreadable):
        retrieval(scratch)

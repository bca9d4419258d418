import json

import numpy as np
import pytest

from rag.embedding import MANIFEST, Encoder, Manifest, as_literal
from rag.errors import EmbedderLate, EmbedderMissing


def test_vectors_are_of_unit_length(encoder):
    vectors = encoder.embed(["I am stuck.", "What would a good outcome be?"])
    assert vectors.shape == (2, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_no_texts_give_no_vectors(encoder):
    assert encoder.embed([]).shape == (0, 384)


async def test_a_query_and_a_passage_of_the_same_words_are_the_same_vector(encoder):
    asked = await encoder.embed_query("Who else is in the room?", timeout_s=5)
    assert np.array_equal(asked, encoder.embed(["Who else is in the room?"])[0])


def test_a_vector_does_not_hang_on_its_neighbours(encoder):
    alone = encoder.embed(["Take a breath."])[0]
    among = encoder.embed(["A far longer sentence about something else.", "Take a breath."])[1]
    assert np.array_equal(alone, among)


def test_meaning_is_nearer_than_words(encoder):
    asked, near, far = encoder.embed(
        ["I cannot fall asleep", "lying awake at night", "the plan fell through"]
    )
    assert asked @ near > asked @ far


async def test_out_of_time_is_said_and_not_waited_for(encoder):
    with pytest.raises(EmbedderLate):
        await encoder.embed_query("a sentence nobody asked before", timeout_s=0)


def test_the_export_is_close_to_its_original(embedder):
    assert Manifest.read(embedder).cosine_mean >= 0.99


def test_a_changed_file_is_not_loaded(embedder, scratch):
    for name in ("model.onnx", "tokenizer.json", MANIFEST):
        (scratch / name).write_bytes((embedder / name).read_bytes())
    manifest = json.loads((scratch / MANIFEST).read_text())
    (scratch / MANIFEST).write_text(json.dumps(manifest | {"onnx_sha256": "0" * 64}))
    with pytest.raises(EmbedderMissing, match=r"model\.onnx"):
        Encoder.load(scratch)


def test_a_folder_without_a_model_is_said_to_be_one(scratch):
    with pytest.raises(EmbedderMissing):
        Encoder.load(scratch)


def test_a_literal_keeps_seven_digits():
    assert as_literal(np.array([0.12345678, -1.0], dtype=np.float32)) == "[0.1234568,-1]"

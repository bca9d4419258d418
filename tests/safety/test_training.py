import gzip
import itertools
import json
import random

import numpy as np
import pytest

from safety.classifiers.heads import BY_NAME, HEADS, WIDTH
from safety.classifiers.tokens import TEXT_TOKENS, batch, windows
from safety.training.augment import spoken, unpunctuated
from safety.training.corpus import Example, choice, own, read_rows, yes


def example(text="What, then?", previous=None, **targets):
    return Example(text, previous, targets, "test")


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("What would help, then?", "What would help then"),
        ("i'm - i'm not sure...", "i'm i'm not sure"),
        ("[NAME] said so!", "[NAME] said so"),
        ("?!", "?!"),
    ],
)
def test_a_transcript_loses_its_marks_and_keeps_its_words(text, heard):
    assert unpunctuated(text) == heard


def test_apostrophes_may_be_lost_too():
    assert unpunctuated("I'm sure, it's fine.", apostrophes=False) == "Im sure its fine"


def test_speaking_changes_neither_labels_nor_words():
    rng = random.Random(1)
    said = example("Well, I will!", previous="Will you?", commitment=yes(True))
    for _ in range(50):
        heard = spoken(said, turns=["a stray turn"], rng=rng)
        assert heard.targets == said.targets
        assert heard.text in ("Well, I will!", "Well I will")
        assert heard.previous in ("Will you?", "Will you", None)


def test_a_set_without_context_sometimes_hears_a_stray_turn():
    rng = random.Random(1)
    heard = {spoken(example(), turns=["stray"], rng=rng).previous for _ in range(50)}
    assert heard == {None, "stray"}


def test_a_share_cuts_the_larger_sets_alone():
    from safety.classifiers.in_process import WEIGHTS
    from safety.classifiers.tokens import load_tokenizer
    from safety.training.fit import PASSES, SMALL, epoch_items

    tokenizer = load_tokenizer(WEIGHTS / "tokenizer.json")
    large, small = [example()] * (2 * SMALL), [example()] * 10
    sets = {"annomi": small, "mrda": large, "own": small}

    def rows(share: float) -> int:
        return len(epoch_items(sets, tokenizer, random.Random(1), share))

    few = int(10 * (PASSES["annomi"] + PASSES["own"]))
    assert rows(1.0) == few + int(PASSES["mrda"] * len(large))
    assert rows(0.5) == few + int(0.5 * PASSES["mrda"] * len(large))


def test_our_own_sentences_are_split_once_and_for_all():
    train, dev = ([one.text for one in own(split)] for split in ("train", "dev"))
    assert set(train).isdisjoint(dev)
    assert len(train) > 4 * len(dev) > 200


def test_our_own_sentences_name_heads_and_labels_that_exist():
    for one in (*own("train"), *own("dev")):
        assert one.kind
        for name, target in one.targets.items():
            head = BY_NAME[name]
            assert head.kind == "several" or target.value[0] < len(head.labels)


def test_the_rows_of_a_compressed_file_are_read(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a"}\n{"text": "b"}\n'))
    assert [row["text"] for row in read_rows(path)] == ["a", "b"]


def test_a_long_text_is_read_in_windows_that_miss_nothing():
    ids = list(range(1000, 1000 + 5 * TEXT_TOKENS))
    parts = windows(ids)
    assert set(ids) == {one for part in parts for one in part}
    assert all(set(a) & set(b) for a, b in itertools.pairwise(parts))
    assert windows(ids[:TEXT_TOKENS]) == [ids[:TEXT_TOKENS]]


def test_a_batch_tells_the_text_from_the_turn_before_it():
    made = batch([[7, 8], [9]], [[5], []])
    assert made.input_ids.tolist() == [[101, 7, 8, 102, 5, 102], [101, 9, 102, 0, 0, 0]]
    assert made.token_type_ids.tolist() == [[0, 0, 0, 0, 1, 1], [0] * 6]
    assert made.attention_mask.sum(1).tolist() == [6, 3]


def test_the_loss_counts_only_the_heads_an_example_speaks_to():
    import torch

    from safety.training.fit import loss_of

    logits = torch.zeros((1, WIDTH), requires_grad=True)
    loss_of(logits, [example(self_harm=yes(True), client=choice("client", "change"))]).backward()
    touched = logits.grad[0].nonzero().flatten().tolist()
    from safety.classifiers.heads import COLUMNS

    spoken_to = {*range(WIDTH)[COLUMNS["self_harm"]], *range(WIDTH)[COLUMNS["client"]]}
    assert set(touched) == spoken_to


def test_a_working_point_is_moved_to_one_half():
    from safety.training.calibrate import calibrate, labelled

    head = BY_NAME["injection"]
    rng = np.random.default_rng(3)
    wanted = rng.random(800) < 0.3
    scores = np.zeros((800, WIDTH), np.float32)
    from safety.classifiers.heads import COLUMNS

    scores[:, COLUMNS["injection"]] = (np.where(wanted, 4.0, 1.0) + rng.normal(0, 0.3, 800))[
        :, None
    ]
    examples = [example(injection=yes(bool(one))) for one in wanted]
    found = calibrate(head, labelled(head, scores, examples))
    at_half = -found.offsets[0] * found.temperature
    assert 1.5 < at_half < 3.5


def test_implied_negatives_decide_no_working_point():
    from safety.training.calibrate import labelled

    examples = [example(self_harm=yes(False, 0.1)), example(self_harm=yes(True))]
    kept = labelled(BY_NAME["self_harm"], np.zeros((2, WIDTH), np.float32), examples)
    assert kept.targets.tolist() == [[1.0]]


def test_the_model_card_names_every_source(tmp_path):
    from safety.training.card import Outcome, write_card
    from safety.training.export import ATTRIBUTION

    path = tmp_path / "card.md"
    write_card(
        path, Outcome({"a": 0.5}, {"a": 0.4}, {"injection": {"own/x": (1, 2)}}, 10, "--seed 7", "")
    )
    card = path.read_text()
    assert all(line in card for line in ATTRIBUTION)
    assert "Not clinically validated" in card
    assert "| a | 0.500 | 0.400 |" in card


def test_every_head_has_its_own_columns():
    from safety.classifiers.heads import COLUMNS

    taken = [column for head in HEADS for column in range(WIDTH)[COLUMNS[head.name]]]
    assert taken == list(range(WIDTH))


def test_a_described_model_is_the_one_in_the_repository():
    from safety.classifiers.in_process import WEIGHTS

    described = json.loads((WEIGHTS / "signals.json").read_text())
    assert (WEIGHTS / "signals.onnx").stat().st_size < 30_000_000
    assert described["attribution"]


def test_a_sitting_can_start_from_the_shipped_weights():
    """What quantising took is small: the scores stay those of the file."""
    from safety.classifiers.in_process import WEIGHTS
    from safety.classifiers.tokens import load_tokenizer
    from safety.training.model import SignalsModel
    from safety.training.scoring import onnx_runner, score_all, torch_runner
    from safety.training.shipped import state_of

    model = SignalsModel()
    state = state_of(WEIGHTS / "signals.onnx")
    missing = model.load_state_dict(state, strict=False)
    assert missing.unexpected_keys == []
    assert all(name.startswith("encoder.pooler.") for name in missing.missing_keys)
    said = [example(f"I will {what} tomorrow") for what in ("rest", "call her", "give up", "run")]
    tokenizer = load_tokenizer(WEIGHTS / "tokenizer.json")
    again = score_all(torch_runner(model), said, tokenizer)
    shipped = score_all(onnx_runner(WEIGHTS / "signals.onnx"), said, tokenizer, rows=1)
    assert np.corrcoef(again.ravel(), shipped.ravel())[0, 1] > 0.99


def test_a_file_that_was_not_quantised_is_refused(tmp_path):
    import onnx

    from safety.training.shipped import state_of

    empty = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    onnx.save(empty, tmp_path / "signals.onnx")
    with pytest.raises(ValueError, match="not a quantised export"):
        state_of(tmp_path / "signals.onnx")

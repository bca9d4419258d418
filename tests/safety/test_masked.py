import gzip
import json

import pytest

from coach.management.commands.evaluate import misses, thresholds
from safety.masked import redaction
from safety.redaction import Redactor

ROW = {
    "text": "Please call Priya Okafor",
    "tokens": ["Please", "call", "Priya", "Okafor"],
    "tags": ["O", "O", "B-PERSON", "I-PERSON"],
    "spans": [{"start": 12, "end": 24, "label": "PERSON"}],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "ner").mkdir()
    path = folder / "ner" / "presidio_synth.dev.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(ROW).encode() + b"\n"))
    return folder


def test_every_threshold_of_redaction_is_a_figure_of_the_report(data, redactor):
    report = redaction(data, redactor, most_rows=160)
    assert report["tokens"]["f2"] == 1.0
    least = dict.fromkeys(thresholds("redaction"), 0.0)
    assert least
    assert misses(report, least) == []


def test_a_redactor_that_finds_nothing_takes_nothing_and_leaves_everything(data):
    report = redaction(data, Redactor.load({"NOTHING": lambda _: iter(())}), most_rows=20)
    assert report["tokens"]["recall"] == 0.0
    assert report["structured"]["plain"]["right"] == 0
    assert report["names"]["cased"]["right"] == 0
    assert report["survival"]["sentences untouched"]["share"] == 1.0

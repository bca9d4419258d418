import gzip

import pytest

from rag.errors import SourceUnreadable
from rag.sources import Card, read

CARD = Card(
    key="a1",
    title="Pause",
    body="Wait, then ask again.",
    example="Count to seven.",
    language="en",
    decks=("listening",),
    activities=("exploring",),
    when_acts=("question", "statement"),
    triggers=("I do not know",),
)
JSON = (
    '{"id": "a1", "title": "Pause", "body": "Wait, then ask again.", "example": "Count to seven.",'
    ' "tags": {"deck": "listening", "activity": ["exploring"], "language": "en-GB",'
    ' "when_acts": ["question", "statement"], "triggers": "I do not know"}}'
)
CSV = (
    "id,title,body,example,language,deck,activity,when_acts,triggers\n"
    'a1,Pause,"Wait, then ask again.",Count to seven.,en,listening,exploring,question; statement,'
    "I do not know\n"
)
CSV_TAGS = (
    "id,title,body,example,tags\n"
    'a1,Pause,"Wait, then ask again.",Count to seven.,"language:en; deck:listening; '
    'activity:exploring; when_act:question; when_act:statement; trigger:I do not know"\n'
)
MARKDOWN = """# listening

## Pause
id: a1
language: en
activity: exploring
when acts: question, statement
trigger: I do not know
example: Count to seven.

Wait, then ask again.
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [("c.jsonl", JSON), ("c.csv", CSV), ("c.csv", CSV_TAGS), ("c.md", MARKDOWN)],
    ids=["JSON Lines", "CSV", "CSV with tags", "Markdown"],
)
def test_every_format_reads_as_the_same_card(scratch, name, text):
    (scratch / name).write_text(text, encoding="utf-8")
    assert read(scratch / name) == [CARD]


def test_a_packed_file_reads_as_a_plain_one(scratch):
    (scratch / "c.jsonl.gz").write_bytes(gzip.compress(JSON.encode()))
    assert read(scratch / "c.jsonl.gz") == [CARD]


def test_a_retrieval_corpus_is_a_playbook_too(scratch):
    (scratch / "corpus.jsonl").write_text('{"_id": "d1", "title": "", "text": "Words."}\n')
    assert read(scratch / "corpus.jsonl") == [Card(key="d1", title="", body="Words.")]


def test_a_bare_tag_is_a_deck_and_an_unknown_one_is_reported(scratch):
    (scratch / "c.jsonl").write_text('{"body": "x", "tags": ["goals"], "level": "easy"}')
    (card,) = read(scratch / "c.jsonl")
    assert (card.key, card.decks, card.ignored) == ("line-1", ("goals",), ("level",))


def test_headings_in_code_are_no_headings(scratch):
    (scratch / "c.md").write_text("# A\n\n```\n# not a heading\n```\n\n# B\n\ntext\n")
    assert [card.title for card in read(scratch / "c.md")] == ["A", "B"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("c.jsonl", b"{", "line 1 is not JSON"),
        ("c.jsonl", b'{"body": "x"}\n[]', "line 2 is not an object"),
        ("c.jsonl", b'{"title": "x"}', "line 1 has no body"),
        ("c.jsonl", b'{"body": ["x"]}', "line 1: body is not text"),
        ("c.jsonl", b'{"body": "x", "tags": {"deck": 1.5}}', "line 1: a tag"),
        ("c.jsonl", b'{"body": "x", "language": "English, mostly"}', "line 1: language"),
        ("c.jsonl", b"\xff\xfe", "is not UTF-8 text"),
        ("c.jsonl", b"\n", "holds no entry"),
        ("c.exe", b"", "one of"),
        ("none", b"", "one of"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(scratch, name, content, says):
    (scratch / name).write_bytes(content)
    with pytest.raises(SourceUnreadable, match=says):
        read(scratch / name)


def test_a_refusal_never_repeats_the_words(scratch):
    (scratch / "c.jsonl").write_text('{"body": ["my secret"]}')
    with pytest.raises(SourceUnreadable) as refused:
        read(scratch / "c.jsonl")
    assert "secret" not in str(refused.value)

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coach.gateway.errors import ModelBroken
from coach.gateway.growing import GrowingDraft


def feed(text: str, cuts: list[int]) -> str:
    growing, words, last = GrowingDraft(), "", 0
    for cut in [*sorted(cuts), len(text)]:
        words += growing.feed(text[last:cut])
        last = cut
    body = growing.close()
    assert body.words == words
    return words


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.lists(st.integers(0, 400), max_size=12),
    st.booleans(),
)
def test_the_same_words_come_out_however_the_stream_is_cut(nudge, cuts, ascii_only):
    text = json.dumps({"nudge": nudge, "cites": [1]}, ensure_ascii=ascii_only)
    assert feed(text, [c for c in cuts if c <= len(text)]) == nudge


def test_white_space_around_the_key_is_no_hindrance():
    assert feed('\n { "nudge" :\t"Go on?" , "cites" : [ 2 ] }', [3, 9]) == "Go on?"


def test_words_are_given_out_before_the_object_is_complete():
    growing = GrowingDraft()
    assert growing.feed('{"nudge": "What mat') == "What mat"
    assert growing.feed("ters") == "ters"


@pytest.mark.parametrize(
    "text",
    [
        "Sure! Here is your nudge",
        '{"cites": [1], "nudge": "late"}',
        '{"nudge": "bad \\q escape", "cites": [1]}',
        '{"nudge": "half \\ud83d alone", "cites": [1]}',
        '{"nudge": "x", "cites": "1"}',
        '{"nudge": "x", "cites": [true]}',
        '{"nudge": "x"',
        '{"nudge": "' + "x" * 5000,
    ],
)
def test_what_is_no_draft_is_refused(text):
    growing = GrowingDraft()
    with pytest.raises(ModelBroken):
        growing.feed(text)
        growing.close()

import pytest

from rag.chunking import split


@pytest.mark.parametrize("text", ["", "  \n "], ids=["empty", "blank"])
def test_blank_text_has_no_passages(text):
    assert split(text) == []


def test_a_short_text_stays_whole():
    assert split("  One. Two.\n\nThree. ") == ["One. Two.\n\nThree."]


def test_sentences_stay_whole_where_they_fit():
    text = "One two three. Four five six. Seven eight nine."
    assert split(text, max_words=6, overlap_words=0) == [
        "One two three. Four five six.",
        "Seven eight nine.",
    ]


def test_overlap_repeats_the_last_sentence():
    text = "One two. Three four. Five six."
    assert split(text, max_words=4, overlap_words=2) == [
        "One two. Three four.",
        "Three four. Five six.",
    ]


def test_list_items_are_not_torn():
    text = "Ask:\n- what matters most\n- what comes first\n- who else knows"
    assert split(text, max_words=8, overlap_words=0) == [
        "Ask:\n- what matters most",
        "- what comes first\n- who else knows",
    ]


def test_a_sentence_without_end_is_cut_by_words():
    passages = split("word " * 1000, max_words=100, overlap_words=0)
    assert [len(p.split()) for p in passages] == [100] * 10


def test_every_word_is_in_some_passage():
    text = " ".join(f"w{n}." if n % 7 == 0 else f"w{n}" for n in range(900))
    passages = split(text, max_words=50, overlap_words=10)
    assert set(" ".join(passages).split()) == set(text.split())
    assert max(len(p.split()) for p in passages) <= 50

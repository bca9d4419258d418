import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.errors import RedactionFailed
from safety.redaction.tagger import WEIGHTS, Tagger, split_words

KEY = b"k" * 32


@pytest.fixture(scope="module")
def tagger():
    return Tagger.load()


def found(tagger, text):
    return [(one.type, text[one.start : one.end]) for one in tagger.find(text)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("I talked to Priya and Tomasz about it", [("NAME", "Priya"), ("NAME", "Tomasz")]),
        ("i talked to priya about the budget", [("NAME", "priya")]),
        ("my manager mehmet never listens", [("NAME", "mehmet")]),
        ("we moved to Lisbon last spring", [("PLACE", "Lisbon")]),
        ("Fatima Hassan called me", [("NAME", "Fatima Hassan")]),
        ("I told Birgit Day that I need more time", [("NAME", "Birgit Day")]),
        ("I met Aleksandra Little on Tuesday", [("NAME", "Aleksandra Little")]),
        ("my colleague Nguyễn Thị Hoa left", [("NAME", "Nguyễn Thị Hoa")]),
        ("I asked Jürgen Müller-Lüdenscheidt", [("NAME", "Jürgen Müller-Lüdenscheidt")]),
        ("Mein Chef heißt Friedrich Vogt", [("NAME", "Friedrich Vogt")]),
    ],
)
def test_names_and_places_of_plain_talk_are_found(tagger, text, names):
    assert found(tagger, text) == names


@pytest.mark.parametrize(
    "text",
    [
        "I could start with ten minutes a day",
        "will you be there on Friday",
        "mark my words, it will be late",
        "we hope it works out in May",
        "What would be a first small step?",
        "ticket 91827 and order 5567 are still open",
        "Die Besprechung am Montag war wieder zu lang",
        "Hoy quiero aprender a decir que no",
        "",
        "...",
    ],
)
def test_ordinary_talk_names_nobody(tagger, text):
    assert found(tagger, text) == []


@pytest.mark.parametrize(
    "text", ["I asked Priya Monday morning", "Tomasz OK that works", "thanks Priya I will try"]
)
def test_a_capital_after_a_name_is_no_surname_of_itself(tagger, text):
    assert all(" " not in words for _, words in found(tagger, text))


def test_a_name_late_in_a_long_text_is_found(tagger):
    text = "and then we talked about the plan for the week " * 40 + "with Tomasz"
    assert ("NAME", "Tomasz") in found(tagger, text)


def test_words_keep_their_places():
    text = "it's Ada's, isn't it?"
    assert [text[start:end] for _, start, end in split_words(text)] == [
        word for word, _, _ in split_words(text)
    ]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [
                "Ada",
                "Okafor",
                "-",
                ",",
                ".",
                "'",
                "12",
                "Elm Street",
                "Rand Corporation",
                "\n",
                "in",
            ]
        ),
        max_size=14,
    )
)
def test_any_run_of_names_and_marks_gives_spans_in_order_that_start_and_end_with_words(
    tagger, parts
):
    text = " ".join(parts)
    end = 0
    for one in tagger.find(text):
        assert end <= one.start < one.end
        assert text[one.start].isalnum()
        assert text[one.end - 1].isalnum()
        end = one.end


@pytest.mark.parametrize("name", ["names.json", "names.onnx", "tokenizer.json"])
def test_a_missing_or_changed_file_fails_redaction(tmp_path, name):
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    (folder / name).write_bytes(b"other")
    with pytest.raises(RedactionFailed):
        Tagger.load(folder)


def test_a_member_keeps_one_placeholder_inside_a_longer_name(redactor):
    alone = redactor.redact("Ada spoke", key=KEY, roster=["Ada"]).text.split()[0]
    longer = redactor.redact("I met Ada Okonkwo yesterday", key=KEY, roster=["Ada"]).text
    assert alone in longer
    assert "Ada" not in longer

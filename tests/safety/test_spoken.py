import pytest

from safety.redaction.spoken import written


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        pytest.param("it is five five five oh one", "it is 55501", id="digit by digit"),
        pytest.param("at four twenty one elm street", "at 421 elm street", id="in groups"),
        pytest.param("forty four twenty seventeen", "442017", id="in pairs"),
        pytest.param("double seven triple oh", "77000", id="doubled"),
        pytest.param("one two um three, four", "1234", id="with fillers"),
        pytest.param("nine hundred one two", "90012", id="hundred"),
        pytest.param("plus four nine one five", "+4915", id="plus"),
        pytest.param("one six dot two dot three one", "16.2.31", id="dots"),
        pytest.param("null eins siebenundzwanzig", "0127", id="German"),
        pytest.param("d e eight nine three", "d e 893", id="letters before"),
        pytest.param("k o f i @ a . c o", "kofi@a.co", id="spelt"),
    ],
)
def test_what_is_said_is_written_out(text, plain):
    found = written(text)
    assert found is not None
    assert found.plain.text == plain


@pytest.mark.parametrize(
    "text", ["", "one thing at a time", "I a m not b", "the first of two", "10 to 12 people"]
)
def test_a_single_number_word_or_a_few_letters_are_no_number(text):
    assert written(text) is None


def test_every_written_character_leads_back_to_the_words_it_came_from():
    text = "call forty two one, please"
    found = written(text)
    assert found is not None
    [(start, end)] = found.runs
    begin, finish = found.plain.span(start, end)
    assert text[begin:finish] == "forty two one"
    tail = found.plain.text.index("please")
    assert text[slice(*found.plain.span(tail, tail + 6))] == "please"

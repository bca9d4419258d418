import pytest

from safety.redaction import Lexicon, Redactor
from safety.redaction.lexicon import special_words

KEY = bytes(32)


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor.load()


def shown(redactor: Redactor, text: str, lexicon: Lexicon) -> str:
    return redactor.redact(text, key=KEY, lexicon=lexicon).text


def test_an_organisations_term_is_masked_in_any_case_and_spacing(redactor):
    lexicon = Lexicon(masked=("Project Heron", "blue folder"))
    text = shown(redactor, "the project-heron plan and the Blue  Folder are late", lexicon)
    assert "heron" not in text.lower()
    assert "folder" not in text.lower()
    assert text.startswith("the [TERM-")


def test_a_term_inside_another_word_stays(redactor):
    assert shown(redactor, "the herons are here", Lexicon(masked=("heron",))).endswith("here")


def test_the_same_term_gets_the_same_placeholder(redactor):
    redacted = redactor.redact("heron, then Heron", key=KEY, lexicon=Lexicon(masked=("heron",)))
    assert len(redacted.pseudonyms) == 1
    assert len(redacted.entities) == 2


def test_a_word_that_is_to_stay_stays_and_the_rest_goes(redactor):
    said = "my colleague Priya Raman works at Northwind with me"
    assert "Northwind" not in shown(redactor, said, Lexicon())
    kept = shown(redactor, said, Lexicon(kept=frozenset({"northwind"})))
    assert "Northwind" in kept
    assert "Priya" not in kept


def test_what_a_checksum_proves_cannot_be_left_in(redactor):
    card = "4111 1111 1111 1111"
    assert card not in shown(redactor, f"it is {card}", Lexicon(kept=frozenset({card})))


SPECIAL = [
    pytest.param("health", "I was diagnosed with bipolar disorder in May", "bipolar", id="health"),
    pytest.param("belief", "as a Muslim I fast this month", "muslim", id="belief"),
    pytest.param("orientation", "I came out as bisexual last year", "bisexual", id="orientation"),
    pytest.param("politics", "our works council met", "works council", id="politics"),
    pytest.param("origin", "my parents are refugees, I am a refugee too", "a refugee", id="origin"),
]


@pytest.mark.parametrize(("category", "said", "word"), SPECIAL)
def test_a_special_category_is_masked_where_it_is_asked_for(redactor, category, said, word):
    assert word in shown(redactor, said, Lexicon()).lower()
    masked = shown(redactor, said, Lexicon(categories=frozenset({category})))
    assert word not in masked.lower()
    assert f"[{category.upper()}-" in masked


def test_every_category_has_words():
    assert set(special_words()) == {case.values[0] for case in SPECIAL}
    assert all(len(words) >= 12 for words in special_words().values())

import pytest

from safety.redaction.scripts import find_in_other_scripts


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("my colleague محمد said no", ["محمد"], id="Arabic"),
        pytest.param("we saw Ивана Петрова there", ["Ивана Петрова"], id="Russian"),
        pytest.param("then राहुल left the room", ["राहुल"], id="Hindi"),
        pytest.param("I wrote to 李明 and 김민수", ["李明", "김민수"], id="Chinese and Korean"),
        pytest.param("اسمي خالد العلي وأعمل هنا", ["خالد العلي"], id="introduced in Arabic"),
        pytest.param("تحدثت مع محمد العلي اليوم", ["محمد العلي"], id="known in Arabic"),
        pytest.param("قالت لفاطمة اليوم", ["فاطمة"], id="known, with a letter before"),
        pytest.param("the α and β versions", [], id="single letters"),
        pytest.param("تحدثت أمس عن العمل", [], id="a whole sentence"),
        pytest.param("she said إن شاء الله ثم ذهبت إلى البيت and left", [], id="a quotation"),
        pytest.param("über Zürich und Łódź", [], id="accents are Latin"),
        pytest.param("plain talk", [], id="none"),
    ],
)
def test_a_few_words_of_another_script_are_a_name_and_a_sentence_is_not(text, names):
    found = (text[one.start : one.end] for one in find_in_other_scripts(text))
    assert list(dict.fromkeys(found)) == names

import pytest

from safety.languages import guess_language, other_script


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What would be a first small step for you?", "en"),
        ("Was wäre ein erster kleiner Schritt für dich?", "de"),
        ("Quelle est la première chose que vous pourriez faire ?", "fr"),
        ("¿Qué es lo primero que podría hacer usted con el tiempo?", "es"),
        ("Qual è la prima cosa che non ti serve più?", "it"),
        ("I told her that I need more time", "en"),
        ("too short here", None),
        ("Breathe slowly, shoulders loose, eyes closed, jaw soft", None),
    ],
)
def test_a_sentence_tells_its_language_or_nothing(text, language):
    assert guess_language(text) == language


def test_another_script_is_noticed_and_a_single_sign_is_not():
    assert other_script("Что важно?", "en")
    assert not other_script("The sign π stands for the ratio of a circle's lengths", "en")

import pytest

from safety.crisis import card, load_cards


@pytest.mark.parametrize(
    ("locale", "reach"),
    [("en-US", "988"), ("en_GB", "116 123"), ("de-AT", "116 123"), ("fr", "3114"), ("xx", "112")],
)
def test_a_card_is_found_for_a_locale_its_language_or_english(locale, reach):
    assert card(locale).contacts[0].reach == reach


def test_every_card_says_who_to_turn_to():
    from safety.crisis import CARDS

    for shown in load_cards(CARDS).values():
        assert shown.title
        assert shown.body
        assert all(contact.name and contact.reach for contact in shown.contacts)


@pytest.mark.parametrize(
    "content",
    ["", '[de]\ntitle = "t"\nbody = "b"\ncontacts = []\n', '[en]\ntitle = "t"\n', "[en"],
    ids=["empty", "no English", "incomplete", "broken"],
)
def test_a_faulty_file_is_found_when_it_is_loaded(tmp_path, content):
    path = tmp_path / "cards.toml"
    path.write_text(content)
    with pytest.raises(ValueError):
        load_cards(path)


def test_an_operator_may_bring_cards_of_their_own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[en]\ntitle = "t"\nbody = "b"\ncontacts = [{ name = "Us", reach = "1" }]\n')
    assert card("en-US", path).title == "t"

import random

from safety.planted import items


def test_every_item_stands_in_its_sentence_and_belongs_to_a_kind_and_a_form():
    made = list(items(random.Random(1), 2))
    assert all(one.item in one.text for one in made)
    assert {"mail", "phone", "card", "account", "secret"} <= {one.kind for one in made}
    assert len({(one.kind, one.form) for one in made}) >= 40


def test_the_same_seed_plants_the_same_items():
    assert list(items(random.Random(3), 1)) == list(items(random.Random(3), 1))


def test_a_plain_item_is_written_as_people_write_it():
    plain = [one for one in items(random.Random(1), 3) if one.form == "plain"]
    assert any("@example" in one.item for one in plain)
    assert not any("\u200b" in one.item for one in plain)

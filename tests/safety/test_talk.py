import random

import pytest

from safety.training.talk import abroad, made


@pytest.mark.parametrize("make", [made, abroad])
def test_what_is_planted_is_where_it_says_and_no_slot_is_left(make):
    for one in make("dev", random.Random(1)):
        assert "{" not in one.text
        for planted in one.planted:
            words = one.text[planted.start : planted.end]
            assert words == words.strip() != ""


def test_words_carry_the_kind_of_what_they_were_planted_as():
    rng = random.Random(1)
    one = next(one for one in made("dev", rng) if len(one.planted) == 1)
    tagged = one.tagged()
    [planted] = one.planted
    kinds = {kind for kind in tagged.kinds if kind is not None}
    assert kinds == {planted.kind}
    assert sum(tagged.starts) == 1


@pytest.mark.parametrize("make", [made, abroad])
def test_no_sentence_of_dev_is_trained_on(make):
    train, dev = ({one.text for one in make(split, random.Random(1))} for split in ("train", "dev"))
    assert train.isdisjoint(dev)


def test_every_language_has_names_in_english_talk():
    languages = {one.language for one in abroad("dev", random.Random(1)) if one.planted}
    assert {"de", "fr", "es", "tr", "hi", "ar", "vi"} <= languages

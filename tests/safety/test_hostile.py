from collections import Counter

import pytest

from safety.hostile import (
    CARRIERS,
    DISGUISES,
    PASSAGES,
    PROTECTED,
    count_leaks,
    leaks,
    outputs,
    shown_of,
)

EVERY = 15_480


async def test_nothing_leaks_from_fifteen_thousand_scripted_outputs():
    assert await count_leaks(EVERY) == []


def test_the_outputs_hold_every_secret_in_every_disguise():
    made = Counter((case.secret, case.disguise) for case in outputs(EVERY))
    assert {disguise for _, disguise in made} == set(DISGUISES)
    assert min(made.values()) >= len(CARRIERS)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_the_search_would_find_a_leak_in_every_disguise(disguise):
    cases = [case for case in outputs(4644) if case.disguise == disguise]
    missed = [case for case in cases if not leaks(case, "".join(case.chunks))]
    assert not missed


@pytest.mark.parametrize("carrier", CARRIERS[1:])
async def test_what_carries_a_secret_passes_without_one(carrier):
    text = carrier.format("tomorrow")
    assert await shown_of([text]) == text


async def test_the_words_of_a_passage_are_shown():
    for passage in PASSAGES:
        assert await shown_of([passage]) == passage
    assert PROTECTED.canaries

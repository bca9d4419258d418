"""One allowance for all lines of a person: used up by any of them, refilled by time alone."""

import pytest

from coach.live.allowance import BURST, NONSENSE, PEOPLE_KEPT, PER_S, Allowances


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def allowances(clock):
    return Allowances(lambda: clock[0])


def test_a_burst_is_free_and_then_ten_a_second(allowances, clock):
    assert [allowances.spend("ada") for _ in range(int(BURST))] == [0.0] * int(BURST)
    assert allowances.spend("ada") == pytest.approx(1 / PER_S)
    clock[0] += 0.5
    assert [allowances.spend("ada") for _ in range(4)] == [0.0] * 4
    assert allowances.spend("ada") > 0


def test_nonsense_is_dearer_and_nobody_else_pays_for_it(allowances):
    for _ in range(int(BURST / NONSENSE)):
        assert allowances.spend("mallory", NONSENSE) == 0
    assert allowances.spend("mallory", NONSENSE) == pytest.approx(NONSENSE / PER_S)
    assert allowances.spend("ada") == 0


def test_a_debt_is_bounded_so_that_a_line_is_read_again(allowances, clock):
    longest = max(allowances.spend("mallory", NONSENSE) for _ in range(1000))
    assert longest == pytest.approx(BURST / PER_S)
    clock[0] += 2 * BURST / PER_S
    assert allowances.spend("mallory") == 0


def test_only_so_many_people_are_remembered(allowances):
    for n in range(PEOPLE_KEPT + 1):
        allowances.spend(f"person {n}", BURST)
    assert allowances.spend(f"person {PEOPLE_KEPT}") > 0
    assert allowances.spend("person 0") == 0

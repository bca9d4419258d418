import uuid

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache

from coach.desk.login import FREE_FAILURES, PatientLogin


@pytest.fixture
def names(database):
    """Two log-ins whose password is their name."""
    made = [uuid.uuid4().hex for _ in range(2)]
    for name in made:
        get_user_model().objects.create_user(name, password=name)
    yield made
    cache.clear()


def opens(name: str, password: str) -> bool:
    return PatientLogin(data={"username": name, "password": password}).is_valid()


def test_after_five_wrong_passwords_the_right_one_has_to_wait_and_nobody_elses(names):
    one, other = names
    assert not any(opens(one, "wrong") for _ in range(FREE_FAILURES))
    assert not opens(one, one)
    assert opens(other, other)


def test_fewer_wrong_ones_are_forgotten_with_the_right_one(names):
    one, _ = names
    for _ in range(3):
        assert not any(opens(one, "wrong") for _ in range(FREE_FAILURES - 1))
        assert opens(one, one)

"""Whatever people chose, in whatever order: what is released is within what they allow."""

import random
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from coach.database import Database, DatabaseError
from consent import choices, notices
from consent.errors import UnknownSubject
from consent.keys import KeyRing
from consent.models import ClosedPurpose, Disclosure, Notice, PolicyRule, Record, Subject
from consent.registry import FIELDS, PURPOSES, Purpose
from consent.vault import Vault
from tests.proofs import repeats

ASKED, SUBJECTS = repeats(2_000, full=10_000), 120
NAMES = [seed.key.value for seed in FIELDS]
STORED = ("display_name", "goal", "profile_note")


class Person:
    """Somebody who makes up their mind at random, and a plain account of what then holds."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.erased = rng, False
        self.whose = uuid.uuid4()
        self.values = {name: f"{name} of {uuid.uuid4()}" for name in STORED}
        self.id = choices.admit(
            uuid.uuid4(), organisation_id=self.whose, session_id=uuid.uuid4(), values=self.values
        ).id
        self.allowed: set[tuple[str, str]] = set()
        self.closed: set[str] = set()

    def change(self) -> None:
        rules = [
            (p, f) for p, f in PolicyRule.objects.values_list("purpose", "field")
            if p not in self.closed
        ]  # fmt: skip
        match self.rng.randrange(10):
            case 0 | 1 | 2 | 3:
                some = self.rng.sample(rules, self.rng.randint(1, min(6, len(rules))))
                for purpose, field in some:
                    choices.grant(self.id, {purpose: [field]})
                self.allowed |= set(some)
            case 4 | 5:
                purpose = self.rng.choice(PURPOSES).key.value
                choices.withdraw(self.id, purpose)
                self.allowed = {(p, f) for p, f in self.allowed if p != purpose}
            case 6:
                if self.allowed:
                    purpose, field = self.rng.choice(sorted(self.allowed))
                    choices.withdraw(self.id, purpose, [field])
                    self.allowed.discard((purpose, field))
            case 7:
                if self.allowed:
                    purpose, field = self.rng.choice(sorted(self.allowed))
                    held = Record.objects.filter(
                        subject=self.id, purpose=purpose, field=field, withdrawn_at__isnull=True
                    )
                    held.update(expires_at=timezone.now() - timedelta(seconds=1))
                    self.allowed.discard((purpose, field))
            case 8:
                purpose = self.rng.choice(PURPOSES).key.value
                if purpose in self.closed:
                    ClosedPurpose.objects.filter(organisation_id=self.whose).delete()
                    self.closed.clear()
                else:
                    ClosedPurpose.objects.create(organisation_id=self.whose, purpose_id=purpose)
                    self.closed.add(purpose)
            case 9:
                if self.rng.random() < 0.1:
                    choices.erase(self.id)
                    self.erased = True

    def granted(self, purpose: str) -> set[str]:
        if purpose in self.closed:
            return set()
        return {f for p, f in self.allowed if p == purpose}


@pytest.mark.timeout(400)
async def test_what_is_released_is_always_within_what_was_granted(database):
    notices.seed()
    rng = random.Random(5)
    pool = Database("vault")
    await pool.open()
    vault = Vault(pool, KeyRing(settings.VAULT_KEY), unavailable=(DatabaseError,))
    people = [Person(rng) for _ in range(SUBJECTS)]
    exceptions = released = 0
    try:
        for _ in range(ASKED):
            person = rng.choice(people)
            if rng.random() < 0.06 and not person.erased:
                person.change()
            purpose = rng.choice(list(Purpose))
            names = rng.sample([*NAMES, "shoe_size"], rng.randint(0, 5))
            data = {name: f"said {name}" for name in names}
            stored = rng.sample(STORED, rng.randint(0, 3))
            try:
                view = await vault.disclose(
                    person.id, data, purpose=purpose, recipient="t", stored=stored, timeout_s=5
                )
            except UnknownSubject:
                exceptions += not person.erased
                continue
            allowed = person.granted(purpose.value)
            assert not person.erased
            assert view.released.keys() == (data.keys() | set(stored)) & allowed
            assert view.withheld == (data.keys() | set(stored)) - allowed
            for name, value in view.released.items():
                assert value == data.get(name, person.values.get(name))
            released += bool(view.released)
    finally:
        await pool.close()
    assert (exceptions, released > ASKED / 20) == (0, True)
    logged = Disclosure.objects.filter(subject_id__in=[p.id for p in people])
    assert logged.count() > ASKED / 2
    assert not Subject.objects.filter(id__in=[p.id for p in people if p.erased],
                                      wrapped_key__isnull=False).exists()  # fmt: skip


async def test_a_notice_that_asks_again_voids_everybodys_grants_at_once(database):
    notices.seed()
    people = [Person(random.Random(n)) for n in range(5)]
    for person in people:
        choices.grant(person.id, {"coaching": ["utterance"]})
    newest = notices.current()
    notices.publish({n.locale: notices.Words(n.title, n.text, {}, {})
                     for n in Notice.objects.filter(version=newest.version)})  # fmt: skip
    live = Record.objects.live().filter(subject__in=[p.id for p in people])
    assert not live.exists()

"""Trigger rules: the first that fits decides; balance and silence by what was said when."""

import uuid

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from coach import tenancy
from coach.cadence.models import TriggerRule
from coach.cadence.rules import Moment, Rule, Turn, deciding, out_of_balance
from coach.models import Organisation, Session
from rag.models import Playbook

ADA, BEN, CY = (uuid.UUID(int=n) for n in (1, 2, 3))


def rule(number=1, **given):
    return Rule(number, f"rule {number}", given.pop("on", "speech"), **given)


def moment(act="statement", emotions=(), phase="", words=8):
    return Moment(act, frozenset(emotions), phase, words)


@pytest.mark.parametrize(("conditions", "heard", "fits"), [
    ({}, moment(), True),
    ({"acts": {"open_question", "statement"}}, moment(), True),
    ({"acts": {"open_question"}}, moment(), False),
    ({"emotions": {"anger"}}, moment(emotions=["anger", "fear"]), True),
    ({"emotions": {"anger"}}, moment(), False),
    ({"phases": {"Exploring"}}, moment(phase="exploring"), True),
    ({"phases": {"exploring"}}, moment(), False),
    ({"min_words": 9}, moment(), False),
    ({"acts": {"statement"}, "phases": {"closing"}}, moment(phase="opening"), False),
])  # fmt: skip
def test_a_rule_fits_when_every_condition_holds(conditions, heard, fits):
    found = deciding([rule(**{k: frozenset(v) if isinstance(v, set) else v
                              for k, v in conditions.items()})], heard)  # fmt: skip
    assert (found is not None) is fits


def test_the_first_rule_that_fits_decides_and_timed_ones_do_not():
    rules = [
        rule(1, on="silence", after_s=60), rule(2, acts=frozenset({"backchannel"})),
        rule(3, then="quiet"), rule(4),
    ]  # fmt: skip
    assert deciding(rules, moment()) is rules[2]
    assert deciding(rules[:2], moment()) is None


@pytest.mark.parametrize(("limits", "said", "who"), [
    ({"share_over": 60}, {ADA: 900, BEN: 100}, (ADA,)),
    ({"share_over": 95}, {ADA: 900, BEN: 100}, ()),
    ({"share_under": 15}, {ADA: 900, BEN: 100}, (BEN,)),
    ({"share_under": 15}, {ADA: 500, BEN: 500, CY: 0}, (CY,)),
    ({"share_over": 60}, {ADA: 100, BEN: 10}, ()),
    ({"share_over": 60}, {ADA: 900}, ()),
])  # fmt: skip
def test_talk_is_shared_or_it_is_not(limits, said, who):
    turns = [Turn(member, 5.0, characters) for member, characters in said.items()]
    balance = rule(on="balance", after_s=300, **limits)
    assert out_of_balance(balance, turns, list(said)) == who


def test_what_was_said_before_the_window_does_not_count():
    turns = [Turn(ADA, 400.0, 900), Turn(ADA, 10.0, 150), Turn(BEN, 10.0, 150)]
    balance = rule(on="balance", after_s=300, share_over=60)
    assert out_of_balance(balance, turns, [ADA, BEN]) == ()


@pytest.fixture
def playbook(database):
    organisation = Organisation.objects.create(slug=uuid.uuid4().hex[:12], name="Rowan")
    with tenancy.acting(tenancy.of([organisation.id], actor="test")):
        yield Playbook.objects.create(organisation_id=organisation.id, slug="p", name="p")


FAULTY = [
    ({"on": "silence", "to": "everyone"}, "after_s"),
    ({"on": "silence", "after_s": 60, "to": "member"}, "to"),
    ({"on": "silence", "after_s": 60, "to": "everyone", "acts": ["statement"]}, "on"),
    ({"on": "silence", "after_s": 60, "to": "everyone", "then": "quiet"}, "then"),
    ({"on": "silence", "after_s": 60, "to": "everyone", "every_s": 1}, "every_s"),
    ({"on": "balance", "after_s": 300}, "share_over"),
    ({"on": "speech", "to": "everyone"}, "to"),
]


@pytest.mark.parametrize(("given", "field"), FAULTY)
def test_a_rule_that_could_never_decide_is_not_taken(playbook, given, field):
    made = TriggerRule(playbook=playbook, name="r", organisation_id=playbook.organisation_id)
    for name, value in given.items():
        setattr(made, name, value)
    with pytest.raises(ValidationError) as refused:
        made.full_clean()
    assert field in refused.value.message_dict


def test_the_database_keeps_to_it_too(playbook):
    with pytest.raises(IntegrityError), transaction.atomic():
        TriggerRule.objects.create(playbook=playbook, name="r", on="silence", after_s=0)
    with pytest.raises(IntegrityError), transaction.atomic():
        TriggerRule.objects.create(playbook=playbook, name="r", on="balance", after_s=60)


def test_a_new_rule_makes_workers_read_the_room_anew(playbook, django_user_model):
    user = django_user_model.objects.create(username=uuid.uuid4().hex)
    session = Session.objects.create(
        organisation_id=playbook.organisation_id, facilitator=user, playbook=playbook, title="T"
    )
    made = TriggerRule.objects.create(playbook=playbook, name="r")
    session.refresh_from_db()
    assert session.roster_version == 1
    made.delete()
    session.refresh_from_db()
    assert session.roster_version == 2

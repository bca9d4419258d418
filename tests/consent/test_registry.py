from consent import notices
from consent.models import Field, PolicyRule, Purpose
from consent.registry import FIELDS, PURPOSES


def test_what_the_code_names_is_what_the_vault_knows():
    notices.seed()
    assert {p.key.value for p in PURPOSES} <= set(Purpose.objects.values_list("key", flat=True))
    assert {f.key.value for f in FIELDS} <= set(Field.objects.values_list("key", flat=True))


def test_feelings_serve_their_own_purpose_alone():
    notices.seed()
    rules = PolicyRule.objects.filter(field="emotion").values_list("purpose", flat=True)
    assert list(rules) == ["emotion_signals"]


def test_seeding_twice_changes_nothing():
    notices.seed()
    before = PolicyRule.objects.count()
    notices.seed()
    assert PolicyRule.objects.count() == before

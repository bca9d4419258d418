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


def test_the_road_asks_for_nothing_that_is_not_registered():
    """A field that a developer adds to the road and not to the registry fails here."""
    from coach.nudges.road import STORED_FIELDS

    known = {seed.key.value for seed in FIELDS}
    assert set(STORED_FIELDS) <= known
    for seed in PURPOSES:
        assert {field.value for field in seed.fields} <= known


def test_a_special_category_never_rests_on_ordinary_consent():
    notices.seed()
    for rule in PolicyRule.objects.select_related("purpose", "field"):
        if rule.field.special:
            assert notices.legal_basis(rule.purpose, rule.field) == "explicit_consent"

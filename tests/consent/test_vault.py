import uuid

import pytest

from coach.database import Database, DatabaseError
from consent import choices, notices
from consent.errors import ConsentError, NotAllowed, UnknownSubject, VaultUnavailable
from consent.keys import KeyRing
from consent.models import (
    ClosedPurpose,
    ConsentEvent,
    Disclosure,
    Record,
    StoredValue,
    Subject,
)
from consent.registry import Purpose
from consent.vault import Vault


@pytest.fixture(scope="session")
async def vault(settings_key):
    database = Database("vault")
    await database.open()
    yield Vault(database, KeyRing(settings_key), unavailable=(DatabaseError,))
    await database.close()


@pytest.fixture(scope="session")
def settings_key() -> str:
    from django.conf import settings

    return settings.VAULT_KEY


async def disclose(vault, subject, data=None, **kwargs):
    options = {"purpose": Purpose.COACHING, "recipient": "test", "timeout_s": 2.0, **kwargs}
    return await vault.disclose(subject, data or {"utterance": "I am stuck"}, **options)


async def test_nothing_granted_means_nothing_released(vault, ada):
    view = await disclose(vault, ada, stored=("goal",))
    assert view.released == {}
    assert view.withheld == {"utterance", "goal"}


async def test_what_is_granted_is_released_and_the_rest_withheld(vault, ada):
    choices.grant(ada, {"coaching": ["utterance", "goal"]})
    view = await disclose(vault, ada, stored=("goal", "display_name", "profile_note"))
    assert view.released == {"utterance": "I am stuck", "goal": "Ship without staying late"}
    assert view.withheld == {"display_name", "profile_note"}


async def test_a_grant_for_one_purpose_says_nothing_about_another(vault, ada):
    choices.grant(ada, {"coaching": ["utterance"]})
    view = await disclose(vault, ada, purpose=Purpose.FACILITATOR_VIEW)
    assert view.released == {}


async def test_every_disclosure_is_logged_by_name_and_never_by_value(vault, ada):
    choices.grant(ada, {"coaching": ["utterance"]})
    about = uuid.uuid4()
    view = await disclose(vault, ada, stored=("goal",), about=about)
    row = Disclosure.objects.get(id=view.id)
    assert (row.fields, row.withheld, row.about) == (["utterance"], ["goal"], about)
    assert "stuck" not in str(row.__dict__)


async def test_a_withdrawal_is_in_force_with_its_commit_and_raises_the_epoch(vault, ada):
    choices.grant(ada, {"coaching": ["utterance"]})
    before = await disclose(vault, ada)
    choices.withdraw(ada, "coaching")
    after = await disclose(vault, ada)
    assert after.released == {}
    assert after.epoch > before.epoch
    assert await vault.epoch(ada, timeout_s=1.0) == after.epoch


async def test_withdrawing_and_granting_again_is_still_another_epoch(vault, ada):
    choices.grant(ada, {"coaching": ["utterance"]})
    before = (await disclose(vault, ada)).epoch
    choices.withdraw(ada, "coaching")
    choices.grant(ada, {"coaching": ["utterance"]})
    assert (await disclose(vault, ada)).epoch > before


async def test_an_expired_grant_is_no_grant_and_can_be_renewed(vault, ada):
    from datetime import timedelta

    from django.utils import timezone

    choices.grant(ada, {"coaching": ["utterance"]})
    Record.objects.filter(subject=ada).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert (await disclose(vault, ada)).released == {}
    choices.grant(ada, {"coaching": ["utterance"]})
    assert (await disclose(vault, ada)).released


async def test_a_pair_the_policy_does_not_know_grants_nothing(vault, ada):
    with pytest.raises(NotAllowed):
        choices.grant(ada, {"coaching": ["utterance"], "facilitator_view": ["profile_note"]})
    assert (await disclose(vault, ada)).released == {}


async def test_an_unknown_field_is_withheld_even_if_asked_for_by_name(vault, ada):
    choices.grant(ada, {"coaching": ["utterance"]})
    view = await disclose(vault, ada, {"utterance": "hi", "shoe_size": "41"})
    assert "shoe_size" in view.withheld
    assert view.unknown == {"shoe_size"}


async def test_a_stranger_is_an_error_and_leaves_no_log(vault):
    stranger = uuid.uuid4()
    with pytest.raises(UnknownSubject):
        await disclose(vault, stranger)
    assert not Disclosure.objects.filter(subject_id=stranger).exists()


async def test_an_erased_person_is_a_stranger_and_their_values_are_gone(vault, ada):
    choices.grant(ada, {"coaching": ["utterance", "goal"]})
    choices.erase(ada)
    with pytest.raises(UnknownSubject):
        await disclose(vault, ada)
    assert await vault.epoch(ada, timeout_s=1.0) is None
    assert not StoredValue.objects.filter(subject=ada).exists()
    assert choices.stored_values(ada) == {}


async def test_stored_values_are_sealed_and_bound_to_their_owner(ada, settings_key):
    row = StoredValue.objects.select_related("subject").get(subject=ada, field="goal")
    assert b"Ship" not in bytes(row.sealed)
    keys = KeyRing(settings_key)
    wrapped = bytes(row.subject.wrapped_key or b"")
    with pytest.raises(ConsentError):
        keys.open(wrapped, bytes(row.sealed), label=f"{ada}/profile_note")
    with pytest.raises(ConsentError):
        KeyRing("another").open(wrapped, bytes(row.sealed), label=f"{ada}/goal")


async def test_when_the_log_cannot_be_written_nothing_is_released(vault, ada):
    """A lock on the log's table stands for a full disk, a revoked right, a dead server."""
    import psycopg
    from django.conf import settings

    choices.grant(ada, {"coaching": ["utterance"]})
    owner = settings.DATABASES["vault_owner"]
    with psycopg.connect(
        dbname=owner["NAME"], user=owner["USER"], host=owner["HOST"],
        options="-c search_path=vault",
    ) as blocker:  # fmt: skip
        blocker.execute("LOCK TABLE consent_disclosure IN EXCLUSIVE MODE")
        with pytest.raises(VaultUnavailable):
            await disclose(vault, ada, timeout_s=0.2)
    assert (await disclose(vault, ada)).released


def test_each_change_is_an_event(ada):
    choices.grant(ada, {"coaching": ["utterance"]})
    choices.withdraw(ada, "coaching")
    choices.erase(ada)
    actions = list(
        ConsentEvent.objects.filter(subject_id=ada).order_by("id").values_list("action", flat=True)
    )
    assert actions == ["granted", "withdrawn", "erased"]


async def test_a_new_notice_asks_again_before_the_next_use(vault, ada):
    choices.grant(ada, {"coaching": ["utterance"]})
    words = notices.Words("Read this again", "Something changed.", {}, {})
    notices.publish({"en": words}, asks_again=False)
    assert (await disclose(vault, ada)).released
    assert not choices.asked_again(ada)
    notices.publish({"en": words})
    assert choices.asked_again(ada)
    view = await disclose(vault, ada)
    assert (view.released, view.withheld) == ({}, {"utterance"})
    choices.grant(ada, {"coaching": ["utterance"]})
    assert (await disclose(vault, ada)).released
    assert not choices.asked_again(ada)


async def test_what_an_organisation_switched_off_is_neither_granted_nor_used(vault, ada):
    choices.grant(ada, {"emotion_signals": ["emotion"]})
    whose = Subject.objects.get(id=ada).organisation_id
    feeling = {"data": {"emotion": "sad"}, "purpose": Purpose.EMOTION_SIGNALS}
    assert (await disclose(vault, ada, **feeling)).released
    closed = ClosedPurpose.objects.create(organisation_id=whose, purpose_id="emotion_signals")
    assert (await disclose(vault, ada, **feeling)).released == {}
    with pytest.raises(NotAllowed):
        choices.grant(ada, {"emotion_signals": ["emotion"]})
    shown = notices.shown_to(whose, notices.current())
    assert "emotion_signals" not in {p["key"] for p in shown["purposes"]}
    closed.delete()


def test_what_was_told_is_corrected_by_its_teller_alone(ada):
    choices.correct(ada, {"goal": "Leave at five", "profile_note": ""})
    assert choices.stored_values(ada) == {"display_name": "Ada", "goal": "Leave at five"}
    with pytest.raises(NotAllowed):
        choices.correct(ada, {"role": "administrator"})

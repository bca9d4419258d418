import copy
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent import choices, notices, receipts
from consent.canonical import canonical
from consent.errors import NoticeChanged, ReceiptInvalid
from consent.models import AuditEntry, Notice, Receipt
from consent.receipts import Party

ROWAN = Party("org", "Rowan Ltd", "privacy@rowan.example")


def issue(subject, kind="consent"):
    return receipts.issue(subject, kind, controller=ROWAN)


def test_a_receipt_says_what_was_granted_on_which_notice_and_verifies(ada):
    choices.grant(ada, {"coaching": ["utterance", "profile_note"]})
    document = json.loads(json.dumps(issue(ada)))
    assert receipts.verify(document).year >= 2026
    (purpose,) = document["pii_processing"]["purposes"]
    told = {i["pii_type"]: i["lawful_basis"] for i in purpose["pii_information"]}
    assert told == {"utterance": "consent", "profile_note": "explicit_consent"}
    assert purpose["pii_information"][0]["notice_version"] == notices.current().version
    assert document["party_identification"][0]["party_name"] == "Rowan Ltd"


def test_what_it_says_was_shown_can_be_proven_word_for_word(ada):
    from consent.canonical import digest
    from consent.models import Subject

    choices.grant(ada, {"coaching": ["utterance"]})
    purpose = issue(ada)["pii_processing"]["purposes"][0]
    whose = Subject.objects.get(id=ada).organisation_id
    shown = notices.shown_to(whose, notices.current())
    assert purpose["pii_information"][0]["shown"] == digest(shown)


def test_it_is_kept_as_it_was_given_and_audited(ada):
    document = issue(ada)
    assert receipts.given(ada) == [document]
    kept = Receipt.objects.get(subject_id=ada)
    assert AuditEntry.objects.filter(action="receipt", body__receipt=str(kept.id)).count() == 1


def paths(value, at=()):
    if isinstance(value, dict):
        for key, part in value.items():
            yield from paths(part, (*at, key))
    elif isinstance(value, list):
        for key, part in enumerate(value):
            yield from paths(part, (*at, key))
    else:
        yield at


def other_than(value):
    match value:
        case bool():
            return not value
        case int() | None:
            return (value or 0) + 1
        case str():
            return value[:-1] + ("a" if value[-1:] == "b" else "b")


def test_no_leaf_of_it_can_be_changed_unseen(ada):
    choices.grant(ada, {"coaching": ["utterance", "goal"]})
    choices.withdraw(ada, "coaching", ["goal"])
    document = issue(ada)
    leaves = list(paths(document))
    assert len(leaves) > 40
    for path in leaves:
        forged = copy.deepcopy(document)
        part = forged
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = other_than(part[path[-1]])
        with pytest.raises(ReceiptInvalid):
            receipts.verify(forged)


def test_a_signature_by_somebody_else_is_not_ours(ada):
    document = issue(ada)
    content = {name: part for name, part in document.items() if name != "signature"}
    key = Ed25519PrivateKey.generate()
    document["signature"] |= {
        "public_key": key.public_key().public_bytes_raw().hex(),
        "value": key.sign(canonical(content)).hex(),
    }
    with pytest.raises(ReceiptInvalid, match="not by a key of ours"):
        receipts.verify(document)


@pytest.mark.parametrize("document", [None, [], {}, "x", {"signature": {}}, 7])
def test_what_is_no_receipt_is_refused_with_a_reason(document):
    with pytest.raises(ReceiptInvalid, match="not shaped"):
        receipts.verify(document)


def test_receipts_of_before_verify_after_the_vaults_key_was_changed(ada, settings):
    document = issue(ada)
    settings.VAULT_KEY, settings.VAULT_KEYS_BEFORE = "another", [settings.VAULT_KEY]
    later = issue(ada)
    assert later["signature"]["key_id"] != document["signature"]["key_id"]
    for each in (document, later):
        receipts.verify(each)


def test_the_erased_get_a_receipt_that_holds_nothing_of_them(ada):
    choices.grant(ada, {"coaching": ["utterance"]})
    choices.erase(ada)
    document = issue(ada, "erasure")
    assert document["pii_processing"]["purposes"] == []
    assert document["event"][-1]["event_type"] == "erased"
    assert "Ada" not in json.dumps(document)


def test_the_notice_is_there_in_more_than_one_language():
    notices.seed()
    english, german = notices.current("en"), notices.current("de")
    assert (english.version, german.locale) == (german.version, "de")
    assert english.digest != german.digest
    keys = [
        [(p["key"], [f["key"] for f in p["fields"]]) for p in n.shown["purposes"]]
        for n in (english, german)
    ]
    assert keys[0] == keys[1]
    titles = {f["title"] for p in german.shown["purposes"] for f in (p, *p["fields"])}
    assert titles.isdisjoint(
        f["title"] for p in english.shown["purposes"] for f in (p, *p["fields"])
    )
    assert notices.current("xx").locale == "en"


@pytest.fixture
def new_notice():
    """Publishes the present words again as a new version."""
    return lambda asks_again: notices.publish(
        {
            n.locale: notices.Words(n.title, n.text, {}, {})
            for n in Notice.objects.filter(version=notices.current().version)
        },
        asks_again=asks_again,
    )


def test_a_grant_on_a_notice_that_was_followed_is_refused(ada, new_notice):
    read = notices.current()
    new_notice(True)
    with pytest.raises(NoticeChanged):
        choices.grant(ada, {"coaching": ["utterance"]}, notice=read)
    choices.grant(ada, {"coaching": ["utterance"]})
    read = notices.current()
    new_notice(False)
    choices.grant(ada, {"coaching": ["goal"]}, notice=read)


def test_a_notice_of_before_is_shown_with_the_purposes_of_now(ada):
    from consent.models import Subject

    old = Notice(version=0, locale="en", title="Before", text="Words.", shown={})
    shown = notices.shown_to(Subject.objects.get(id=ada).organisation_id, old)
    assert shown["title"] == "Before"
    assert {p["key"] for p in shown["purposes"]} >= {"coaching", "quality"}

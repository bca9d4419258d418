"""Drafts that are given again, and to whom never."""

import asyncio
import random
import uuid
from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from coach.gateway.kept import KeptDrafts, Terms
from coach.gateway.models import KeptDraft
from coach.models import Member, Organisation, Session
from rag.embedding import Encoder
from rag.models import Playbook, PlaybookVersion

ADA, BEN = uuid.uuid4(), uuid.uuid4()
STUCK = "I keep putting off the report for the steering group"


@pytest.fixture(scope="module")
def encoder(embedder):
    return Encoder.load(embedder)


@pytest.fixture
def kept(live, encoder):
    return KeptDrafts(live, encoder, hours=24)


@pytest.fixture
def terms(tenant) -> Terms:
    return Terms(
        organisation=tenant.id, playbook=uuid.uuid4(), version=1,
        fields=frozenset({"utterance", "role"}), policy="p1", prompt="nudge.v1", language="en",
    )  # fmt: skip


PASSAGE = uuid.uuid4()


def cite(passage: uuid.UUID = PASSAGE) -> list[dict[str, object]]:
    return [{"passage": str(passage), "title": "t", "version": 1, "quote": "q"}]


async def keep(kept: KeptDrafts, terms: Terms, text: str = STUCK, draft: str = "What now?", **more):
    citations = more.pop("citations", None) or cite()
    member = more.pop("member", ADA)
    await kept.keep(text, draft, citations, terms, member=member, route="small", timeout_s=2)


async def find(kept: KeptDrafts, terms: Terms, text: str = STUCK, *, among=(PASSAGE,), avoid=()):
    return await kept.find(text, terms, among=among, avoid=avoid, timeout_s=2)


async def test_the_same_words_find_the_draft_whatever_their_case_and_spaces(kept, terms):
    await keep(kept, terms)
    found = await find(kept, terms, "  i keep putting off THE report for the steering group ")
    assert found is not None
    assert (found.text, found.exact, found.sure) == ("What now?", True, True)


async def test_nothing_is_kept_for_whoever_was_erased_meanwhile(kept, terms, tenant):
    fay = get_user_model().objects.create(username=uuid.uuid4().hex)
    session = Session.objects.create(organisation=tenant, facilitator=fay, title="t")
    member = Member.objects.create(
        session=session, organisation_id=tenant.id, role=Member.Role.PARTICIPANT,
        display_name="Ada", number=1,
    )  # fmt: skip
    await keep(kept, terms, member=member.id)
    assert await find(kept, terms) is not None
    Member.objects.filter(id=member.id).update(removed_at=timezone.now())
    other = "My daughter starts school on Monday"
    await keep(kept, terms, other, member=member.id)
    assert await find(kept, terms, other) is None


async def test_words_that_mean_the_same_find_it_and_others_do_not(kept, terms):
    await keep(kept, terms)
    near = await find(kept, terms, "I keep on putting off that report for the steering group")
    assert near is not None
    assert (near.exact, near.sure) == (False, True)
    assert await find(kept, terms, "My daughter starts school on Monday") is None


async def test_words_that_only_sound_alike_do_not_find_it(kept, terms):
    await keep(kept, terms)
    assert await find(kept, terms, "I finally handed in the report for the steering group") is None


async def test_for_other_words_a_draft_must_rest_on_what_was_found_for_them_too(kept, terms):
    await keep(kept, terms)
    near = "I keep on putting off that report for the steering group"
    assert await find(kept, terms, near, among=[uuid.uuid4()]) is None
    assert await find(kept, terms, STUCK, among=[uuid.uuid4()]) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"organisation": uuid.uuid4()}, {"playbook": uuid.uuid4()}, {"version": 2},
        {"fields": frozenset({"utterance"})}, {"policy": "p2"}, {"prompt": "nudge.v2"},
        {"language": "de"},
    ],
    ids=lambda c: next(iter(c)),
)  # fmt: skip
async def test_a_draft_made_under_other_terms_is_not_found(kept, terms, changed):
    await keep(kept, terms)
    assert await find(kept, replace(terms, **changed)) is None


async def test_what_was_just_shown_to_this_person_is_not_shown_again(kept, terms):
    passage = uuid.uuid4()
    await keep(kept, terms, citations=cite(passage))
    assert await find(kept, terms, avoid=[passage]) is None
    assert await find(kept, terms, avoid=[uuid.uuid4()]) is not None


@pytest.mark.parametrize(
    ("text", "draft", "field"),
    [
        ("I told [NAME-ab12] about it", "What now?", ""), (STUCK, "What would [NAME-ab12] do?", ""),
        (STUCK, "What now?", "goal"), (STUCK, "What now?", "profile_note"),
        (STUCK, "What now?", "emotion"),
    ],
    ids=["placeholder said", "placeholder drafted", "goal", "note", "emotion"],
)  # fmt: skip
async def test_nothing_personal_is_kept(kept, terms, text, draft, field):
    own = replace(terms, fields=terms.fields | ({field} if field else set()))
    await keep(kept, own, text, draft)
    assert not KeptDraft.objects.filter(organisation=terms.organisation).exists()


async def test_withdrawal_takes_own_drafts_and_leaves_others(kept, terms):
    await keep(kept, terms, STUCK, member=ADA)
    await keep(kept, terms, "I never get to the end of my list", member=BEN)
    await kept.forget(ADA, timeout_s=2)
    assert await find(kept, terms) is None
    assert await find(kept, terms, "I never get to the end of my list") is not None


async def test_publishing_a_version_empties_its_playbook_s_drafts(kept, terms, tenant):
    playbook = Playbook.objects.create(organisation_id=tenant.id, name="p", slug="p")
    version = PlaybookVersion.objects.create(organisation_id=tenant.id, playbook=playbook, number=1)
    own = replace(terms, playbook=playbook.id)
    await keep(kept, own)
    await keep(kept, terms)
    playbook.live_version = version
    playbook.save()
    assert await find(kept, own) is None
    assert await find(kept, terms) is not None


async def test_an_expired_draft_is_not_found_and_goes(kept, terms):
    from django.utils import timezone

    await keep(kept, terms)
    KeptDraft.objects.filter(organisation=terms.organisation).update(expires_at=timezone.now())
    assert await find(kept, terms) is None
    await kept.drop_expired(timeout_s=2)
    assert not KeptDraft.objects.filter(organisation=terms.organisation).exists()


async def test_two_tenants_same_words_ten_thousand_requests_no_cross_hit(kept, terms, tenant):
    slug = f"t-{uuid.uuid4().hex[:8]}"
    stranger = Organisation.objects.create(slug=slug, name=slug)
    theirs = replace(terms, organisation=stranger.id, playbook=uuid.uuid4())
    asked = [f"{STUCK}, attempt {n}" for n in range(40)]
    for text in asked[:20]:
        await keep(kept, terms, text, "ours")
    for text in asked[10:30]:
        await keep(kept, theirs, text, "theirs")
    chance, found = random.Random(3), {"ours": 0, "theirs": 0}

    async def request(n: int) -> None:
        whose, text = (terms, "ours") if n % 2 else (theirs, "theirs")
        answer = await find(kept, whose, chance.choice(asked))
        if answer is not None:
            assert answer.text == text
            found[text] += 1

    for start in range(0, 10_000, 20):
        await asyncio.gather(*(request(n) for n in range(start, start + 20)))
    assert min(found.values()) > 1000


async def test_a_cache_that_does_not_answer_is_no_fault(encoder, terms):
    from coach.database import Database

    closed = KeptDrafts(Database("default"), encoder, hours=24)
    assert await find(closed, terms) is None
    await keep(closed, terms)

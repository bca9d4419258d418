"""An organisation's words, from the desk to what is stored of an utterance."""

import pytest
from django.core.exceptions import ValidationError

from coach.lexicons.models import Term
from coach.models import Organisation, Session, Utterance

SAID = "the steering group of Zebrafinch wants the report by May"


def organisation_of(room) -> Organisation:
    return Session.objects.select_related("organisation").get(pk=room.session).organisation


def stored(turn) -> str:
    return Utterance.objects.get(pk=turn.utterance).text


async def test_a_term_masks_from_the_next_utterance_on_and_its_end_unmasks(room, ada):
    from asgiref.sync import sync_to_async

    organisation = await sync_to_async(organisation_of)(room)
    term = Term(organisation=organisation, use=Term.Use.MASK, text="steering group")
    await sync_to_async(term.full_clean)()
    assert "steering group" in await sync_to_async(stored)(await ada.ask(SAID))
    await term.asave()
    try:
        masked = await sync_to_async(stored)(await ada.ask(SAID))
        assert "steering group" not in masked
        assert "[TERM-" in masked
    finally:
        await term.adelete()
    assert "steering group" in await sync_to_async(stored)(await ada.ask(SAID))


async def test_another_organisations_term_masks_nothing_here(room, ada):
    from asgiref.sync import sync_to_async

    other = await Organisation.objects.acreate(slug="words-elsewhere", name="Elsewhere")
    await Term.objects.acreate(organisation=other, use=Term.Use.MASK, text="report")
    assert "report" in await sync_to_async(stored)(await ada.ask(SAID))


def test_a_category_must_exist():
    organisation = Organisation.objects.create(slug="words-here", name="Here")
    with pytest.raises(ValidationError, match="health"):
        Term(organisation=organisation, use=Term.Use.CATEGORY, text="height").full_clean()

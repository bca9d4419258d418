"""Whom somebody can turn to: the card of their language, as a screen shows it."""

import re
from typing import Any

from django.conf import settings

from coach.nudges.trace import Heard
from safety import crisis

PHONE = re.compile(r"[+\d][\d ()/-]*")
URL = re.compile(r"[a-z0-9.-]+\.[a-z]{2,}(/\S*)?", re.IGNORECASE)


def help_card(heard: Heard) -> dict[str, Any]:
    """The speaker's card, else the room's: a number can be called, an address opened."""
    seat = heard.room.seat(heard.member)
    language = seat.language if seat is not None else ""
    card = crisis.card(language or heard.room.language, settings.CRISIS_CARDS or crisis.CARDS)
    contacts = []
    for contact in card.contacts:
        way = (
            "phone"
            if PHONE.fullmatch(contact.reach)
            else "url"
            if URL.fullmatch(contact.reach)
            else "text"
        )
        reach = f"https://{contact.reach}" if way == "url" else contact.reach
        contacts.append({"name": contact.name, way: reach})
    return {"title": card.title, "body": card.body, "contacts": contacts}

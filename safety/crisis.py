"""What a person sees instead of a nudge when their words sound like danger."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

CARDS = Path(__file__).parent / "crisis_cards.toml"
DEFAULT_LOCALE = "en"


@dataclass(frozen=True)
class Contact:
    """Someone to turn to: who it is, and the number or address."""

    name: str
    reach: str


@dataclass(frozen=True)
class Card:
    """A vetted text, never generated, with people to turn to."""

    title: str
    body: str
    contacts: tuple[Contact, ...]


def card(locale: str, path: Path = CARDS) -> Card:
    """The card of a locale such as `de-AT`; else of its language, else the English one."""
    cards = load_cards(path)
    wanted = locale.replace("_", "-").casefold()
    by_name = {name.casefold(): found for name, found in cards.items()}
    for name in (wanted, wanted.split("-")[0]):
        if name in by_name:
            return by_name[name]
    return cards[DEFAULT_LOCALE]


@lru_cache(maxsize=8)
def load_cards(path: Path) -> dict[str, Card]:
    """All cards of a file; raises ValueError when one is incomplete or English is missing.

    Call it at start-up: a fault in the file must not be found when the card is needed.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
        cards = {
            locale: Card(
                entry["title"],
                entry["body"],
                tuple(Contact(one["name"], one["reach"]) for one in entry["contacts"]),
            )
            for locale, entry in found.items()
        }
    except (OSError, KeyError, TypeError) as exc:
        raise ValueError(f"{path.name}: not a file of crisis cards ({exc})") from exc
    if DEFAULT_LOCALE not in cards or not all(one.contacts for one in cards.values()):
        raise ValueError(f"{path.name}: needs [en], and a contact on every card")
    return cards

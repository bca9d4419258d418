"""Two hundred uploaded cards with personal data in every field that takes words."""

import logging
import random
from dataclasses import replace

from rag.models import Entry, Passage
from rag.sources import Card
from tests.proofs import repeats
from tests.rag.test_ingest import everything_stored

UPLOADS = repeats(40, full=200)
FIRST = ("Marla", "Teodor", "Ngozi", "Aoife", "Hiroshi", "Camila", "Jakub", "Leila", "Oskar", "Wei")
LAST = (
    "Quindt",
    "Okwuosa",
    "Brannigan",
    "Takeda",
    "Villanueva",
    "Szymanski",
    "Haddad",
    "Lindqvist",
)
SAID = (
    "Ask {name} what matters most, or write to {mail} first.",
    "Call {name} on {phone} and say back what you heard.",
    "{name} keeps putting it off. What would a first step look like?",
    "Invoice the session to {iban}, then ask how it felt.",
    "The card {card} was declined while {name} was talking. Breathe first.",
    "Meet {name} at {street} before the next round.",
    "Write {mail} a note of thanks, as precise as you can.",
    "Log in from {address}, key {secret}, and open the board.",
)


def mod97(country, digits):
    number = int("".join(str(int(c, 36)) for c in digits + country + "00"))
    return f"{country}{98 - number % 97:02d}{digits}"


def luhn(digits):
    total = sum(
        sum(divmod(2 * d, 10)) if place % 2 == 0 else d
        for place, d in enumerate(map(int, reversed(digits)))
    )
    return digits + str(-total % 10)


def person(rng):
    """One made-up person's data, by kind; addresses are of reserved domains and networks."""
    first, last = rng.choice(FIRST), rng.choice(LAST)
    return {
        "name": f"{first} {last}",
        "mail": f"{first}.{last}{rng.randint(10, 99)}@example.org".lower(),
        "phone": f"+49 30 9018{rng.randint(1000, 9999)}",
        "iban": mod97("DE", f"{rng.randint(10**17, 10**18 - 1)}"),
        "card": luhn(f"4{rng.randint(10**13, 10**14 - 1)}"),
        "street": f"{rng.randint(10, 99)} Alder {rng.choice(('Street', 'Road', 'Avenue'))}",
        "address": f"203.0.113.{rng.randint(10, 250)}",
        "secret": f"sk-{rng.getrandbits(160):040x}",
    }


def test_nothing_planted_in_two_hundred_uploads_is_kept_anywhere(shelve, caplog):
    caplog.set_level(logging.DEBUG)
    rng = random.Random(23)
    cards, planted = [], []
    for number in range(UPLOADS):
        data = person(rng)
        said = rng.choice(SAID)
        text = said.format(**data)
        planted += [data[kind] for kind in data if f"{{{kind}}}" in said]
        plain = Card(
            key=str(number),
            title=f"Card {number}",
            body=f"Stay with it a moment longer, the {number}th time.",
        )
        cards.append(
            (
                replace(plain, body=text),
                replace(plain, example=text),
                replace(plain, title=text),
                replace(plain, triggers=(text,)),
            )[number % 4]
        )
    library = shelve(cards)
    stored = everything_stored(library.playbook.organisation_id)
    kept = stored + caplog.text.lower()
    squeezed = "".join(kept.split())
    left = [item for item in planted if "".join(item.lower().split()) in squeezed]
    assert left == []
    assert Entry.objects.filter(version__playbook=library.playbook).count() == UPLOADS
    # Each of them is there to be found, and what its vector was made of is what is stored.
    assert Passage.objects.filter(version__playbook=library.playbook).count() == UPLOADS
    assert len(planted) > UPLOADS

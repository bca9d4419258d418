"""Sentences with made-up items in them, written plainly and as people hide or say them.

Every item is drawn by a seed and belongs to nobody; check digits are right where there are any.
"""

import random
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from safety.redaction.money import luhn, mod97

Draw = Callable[[random.Random], str]
Hide = Callable[[str], str]

_CARRIERS: Mapping[str, tuple[str, ...]] = {
    "mail": ("write to {} before Friday", "my address is {} since March", "{} is how you reach me"),
    "phone": ("my number is {} after six", "call me on {} if it rains", "you can ring {} tonight"),
    "card": ("the card is {} from the team", "pay it with {} this once", "she read out {} to me"),
    "account": ("send it to {} today", "the IBAN is {} as before", "my account is {} still"),
    "network": ("the box is at {} again", "ping {} for me", "I log in from {} at night"),
    "site": ("look at {} tonight", "I put the notes at {} for all", "it is all on {} now"),
    "birth date": ("I was born on {} in a small town", "my date of birth is {} as you know"),
    "address": ("I live at {} and walk to work", "send the papers to {} please"),
    "social security": ("my social security number is {} on file", "the ssn is {} they said"),
    "secret": ("my password is {} and I never changed it", "the api key is {} still"),
}
_DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_MONTHS = ("January", "March", "April", "June", "August", "October", "December")
_ORDINAL_WORDS = ("first", "third", "eighth", "twelfth", "nineteenth", "twenty-second")
_YEAR_WORDS = ("sixty eight", "seventy one", "eighty-four", "ninety two", "seventy nine")
_FIRST = ("jo", "kofi", "lena", "t.osei", "mara_k", "ines", "p.novak", "ravi77")
_HOSTS = ("example.org", "mail.example.com", "team.example.net", "posts.example.co.uk")
_STREETS = ("Elm Street", "Birchwood Avenue", "Mill Lane", "Station Road", "Cedar Court")
_CODE = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Item:
    """A sentence with one item in it; `form` is "plain" or names how it was hidden."""

    text: str
    item: str
    kind: str
    form: str


def items(rng: random.Random, each: int) -> Iterator[Item]:
    """So many sentences for each kind and form."""
    for kind, (draw, hidden) in _KINDS.items():
        forms: Mapping[str, Hide] = {"plain": str, **hidden}
        for form, hide in forms.items():
            for _ in range(each):
                item = hide(draw(rng))
                yield Item(rng.choice(_CARRIERS[kind]).format(item), item, kind, form)
    for _ in range(each):
        item = _said_date(rng)
        carrier = rng.choice(_CARRIERS["birth date"])
        yield Item(carrier.format(item), item, "birth date", "said")


def _mail(rng: random.Random) -> str:
    return f"{rng.choice(_FIRST)}@{rng.choice(_HOSTS)}"


def _phone(rng: random.Random) -> str:
    tail = f"{rng.randrange(10_000):04}"
    return rng.choice(
        (f"+44 20 7946 0{tail[1:]}", f"+49 151 2345 {tail}", f"415-555-{tail}", f"07700 90{tail}")
    )


def _card(rng: random.Random) -> str:
    body = "4" + "".join(str(rng.randrange(10)) for _ in range(14))
    number = next(body + str(last) for last in range(10) if luhn(body + str(last)))
    return " ".join(number[at : at + 4] for at in range(0, 16, 4))


def _account(rng: random.Random) -> str:
    country, letters, digits = rng.choice((("DE", 0, 18), ("GB", 4, 14), ("NL", 4, 10)))
    bare = "".join(rng.choice(string.ascii_uppercase) for _ in range(letters))
    bare += "".join(str(rng.randrange(10)) for _ in range(digits))
    iban = next(f"{country}{n:02}{bare}" for n in range(2, 99) if mod97(f"{country}{n:02}{bare}"))
    return " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))


def _network(rng: random.Random) -> str:
    return ".".join(str(rng.randrange(1, 255)) for _ in range(4))


def _site(rng: random.Random) -> str:
    return f"https://{rng.choice(_HOSTS)}/u/{rng.choice(_FIRST)}"


def _birth_date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2004)
    return rng.choice(
        (
            f"{day:02}/{month:02}/{year}",
            f"{year}-{month:02}-{day:02}",
            f"{day} {rng.choice(_MONTHS)} {year}",
            f"{rng.choice(_MONTHS)} {day}, {year}",
        )
    )


def _said_date(rng: random.Random) -> str:
    day, month = rng.choice(_ORDINAL_WORDS), rng.choice(_MONTHS).lower()
    return f"the {day} of {month} nineteen {rng.choice(_YEAR_WORDS)}"


def _address(rng: random.Random) -> str:
    return f"{rng.randint(1, 990)} {rng.choice(_STREETS)}"


def _social_security(rng: random.Random) -> str:
    return f"{rng.randint(101, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"


def _secret(rng: random.Random) -> str:
    return rng.choice(("sk-", "ghp_", "")) + "A1b2" + "".join(rng.choices(_CODE, k=24))


def _separated(mark: str) -> Hide:
    return lambda item: item.replace(" ", mark).replace("-", mark)


def _said(item: str) -> str:
    words = {str(digit): word for digit, word in enumerate(_DIGIT_WORDS)} | {"+": "plus"}
    return " ".join(words[char] for char in item if char in words)


def _said_with_oh(item: str) -> str:
    return _said(item).replace("zero", "oh")


def _said_in_pairs(item: str) -> str:
    """Two digits at a time, as in "forty two seventeen"; a zero and what follows it apart."""
    digits = "".join(char for char in item if char.isdigit())
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    return ("plus " if item.startswith("+") else "") + " ".join(map(_pair, pairs))


def _pair(digits: str) -> str:
    if len(digits) == 1 or digits[0] == "0":
        return " ".join(_DIGIT_WORDS[int(digit)] for digit in digits)
    if digits[0] == "1":
        return _TEENS[int(digits[1])]
    ones = "" if digits[1] == "0" else f" {_DIGIT_WORDS[int(digits[1])]}"
    return _TENS[int(digits[0]) - 2] + ones


def _said_doubled(item: str) -> str:
    """As in "double seven", and with what people say while they think."""
    words = _said(item).split()
    said: list[str] = []
    while words:
        word = words.pop(0)
        if words and words[0] == word:
            words.pop(0)
            said += ["double", word]
        else:
            said.append(word)
    return " ".join(said)


def _hesitating(item: str) -> str:
    words = _said(item).split()
    return " ".join([*words[: len(words) // 2], "um", *words[len(words) // 2 :]])


def _other_digits(zero: str) -> Hide:
    return lambda item: "".join(
        chr(ord(zero) + int(char)) if char.isdigit() else char for char in item
    )


def _keycaps(item: str) -> str:
    return "".join(f"{char}\ufe0f\u20e3" if char.isdigit() else char for char in item)


def _spelt_mail(item: str) -> str:
    local, host = item.split("@")
    return f"{' '.join(local)} @ {' '.join(host)}"


def _spoken_mail(item: str) -> str:
    said = item.replace("@", " at ").replace(".", " dot ").replace("_", " underscore ")
    return " ".join(said.split())


def _full_width(item: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in item)


_KINDS: Mapping[str, tuple[Draw, Mapping[str, Hide]]] = {
    "mail": (
        _mail,
        {
            "said": _spoken_mail,
            "brackets": lambda item: item.replace("@", " (at) ").replace(".", " [dot] "),
            "spaces": lambda item: item.replace("@", " @ "),
            "spelt": _spelt_mail,
            "full width": _full_width,
            "invisible": "\u200b".join,
            "look-alikes": lambda item: item.translate(str.maketrans("aeo", "аео")),
        },
    ),
    "phone": (
        _phone,
        {
            "said": _said,
            "said with oh": _said_with_oh,
            "said in pairs": _said_in_pairs,
            "said doubled": _said_doubled,
            "hesitating": _hesitating,
            "Arabic digits": _other_digits("٠"),
            "Hindi digits": _other_digits("०"),
            "keycaps": _keycaps,
            "commas": _separated(", "),
            "dots": _separated("."),
            "slashes": _separated("/"),
            "dashes": _separated("–"),
            "full width": _full_width,
            "hard spaces": _separated("\u00a0"),
        },
    ),
    "card": (
        _card,
        {
            "said": _said,
            "said in pairs": _said_in_pairs,
            "hesitating": _hesitating,
            "Arabic digits": _other_digits("٠"),
            "keycaps": _keycaps,
            "dots": _separated("."),
            "underscores": _separated("_"),
            "dashes": _separated("–"),
            "bars": _separated(" | "),
            "hard spaces": _separated("\u00a0"),
            "one by one": lambda item: " ".join(item.replace(" ", "")),
        },
    ),
    "account": (
        _account,
        {
            "lower case": str.lower,
            "said": lambda item: " ".join(
                _DIGIT_WORDS[int(char)] if char.isdigit() else char.lower()
                for char in item.replace(" ", "")
            ),
            "one by one": lambda item: " ".join(item.replace(" ", "")),
            "dashes": _separated("-"),
            "dots": _separated("."),
            "closed": _separated(""),
            "invisible": "\u200b".join,
        },
    ),
    "network": (
        _network,
        {
            "said": lambda item: item.replace(".", " dot "),
            "all said": lambda item: " dot ".join(map(_said, item.split("."))),
            "brackets": lambda item: item.replace(".", "[.]"),
            "full width": _full_width,
        },
    ),
    "site": (
        _site,
        {
            "defanged": lambda item: item.replace("http", "hxxp"),
            "said": lambda item: item.split("//")[1].split("/")[0].replace(".", " dot "),
            "full width": _full_width,
        },
    ),
    "birth date": (_birth_date, {"full width": _full_width, "invisible": "\u200b".join}),
    "address": (
        _address,
        {
            "lower case": str.lower,
            "said": lambda item: f"{_said(item)} {item.split(' ', 1)[1].lower()}",
            "invisible": "\u200b".join,
        },
    ),
    "social security": (
        _social_security,
        {
            "said": _said,
            "said in pairs": _said_in_pairs,
            "dots": _separated("."),
            "spaces": _separated(" "),
            "one by one": lambda item: " ".join(item.replace("-", "")),
        },
    ),
    "secret": (_secret, {"invisible": "\u200b".join, "joiners": "\u2060".join}),
}

"""Names of people: a session's roster, and names that someone introduces.

Names that are also words ("Will", "Grace") count by capital or context, never alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from safety.redaction.spans import Found
from safety.text import normalise

WORD_NAMES = frozenset(
    """
    abbot amber an angel april art august autumn baker ball banks banner barber baron bell bill
    bishop black bond booth bridge bright brook brooks brown buck bush camp can carol carpenter
    case chance charity chase christian church cliff cook cross crystal daisy dale dawn day dean
    dear destiny do drew duke dusty earl early earnest east english eve fair faith field fields
    fish fisher forest fox frank french friday gay gene german glen good grace grant gray green
    grey guy ha hand happy harmony hart head heath heather hill hills holly honor hood hope
    house hunt hunter in iris ivy jack jean jewel jolly joy judge june junior justice key king
    knight lake lance lane law little long lord love low lucky major man march mark marsh martin
    mason max may mead means melody mercy merry miles misty monday moody moon moss my nick night
    no noble norm north olive oliver page park parks parrot pat patience pearl penny pike pitt
    poole pope potter pound powers price princess prudence queen rain ray read reed rich rivers
    rob rose ruby rush rusty sage salmon sandy savage sharp shepherd short singer skip sky small
    smith so son sonny spring star stark starr stone stones storm stormy street strong sue
    summer sun sunny sweet swift taylor temple true van victor violet wade wall ward waters
    weeks wells west white wild will winter wise wolf wood woods worth would young
    """.split()  # noqa: SIM905  a hundred quoted words would be harder to read
)
# Those of them that are first names, and say so where a name is expected.
_GIVEN = (
    "Amber|Angel|April|Art|August|Autumn|Bill|Carol|Chase|Christian|Cliff|Crystal|Daisy|Dawn|Dean"
    "|Drew|Eve|Faith|Frank|Gene|Grace|Grant|Guy|Heather|Holly|Hope|Hunter|Iris|Ivy|Jack|Jean|Joy"
    "|June|Lance|Mark|Mason|Max|May|Melody|Mercy|Miles|Olive|Pat|Pearl|Penny|Ray|Rich|Rob|Rose"
    "|Ruby|Sandy|Sky|Star|Sue|Summer|Victor|Violet|Wade|Will"
)
_GIVEN_HERE = re.compile(rf"(?<!\w)(?:{_GIVEN})(?!\w)")
_LABEL = re.compile(rf"(?:^|\n)\s*({_GIVEN}):\s")
PARTICLES = frozenset(
    """
    de da do dos das del della di du la le van von der den ten ter al el bin ibn abu y e
    """.split()  # noqa: SIM905  a hundred quoted words would be harder to read
)
_BEFORE = re.compile(
    r"(?:\b(?:hi|hey|hello|dear|thanks|thank\s+you|bye|morning|with|from|told|tell|ask"
    r"|asked|asks|call|called|met|meet|named|name\s+is|name's"
    r"|i'm|i\s+am|this\s+is|colleague|boss|manager|friend|brother|sister|wife|husband"
    r"|partner|son|daughter|mentor|coach|and|says|for"
    r"|mr|mrs|ms|dr|prof|to|by|like|love|know|see|saw|hate|miss|about)\.?|@)[\s,:]+$",
    re.IGNORECASE,
)
_STRONG_BEFORE = re.compile(
    r"(?:\b(?:hi|hey|hello|dear|thanks|thank\s+you|asked|named|name\s+is|name's|i'm|i\s+am"
    r"|colleague|boss|manager|friend|brother|sister|wife"
    r"|husband|mentor|mr|mrs|ms|dr|prof|told|met|with)\.?|@)[\s,:]+$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"^(?:'s\b|,?\s+(?:said|says|told|asked|asks|thinks|thought|wants|wanted|is|was|has"
    r"|had|does|did|never|always|keeps|kept|just|went|got|"
    r"interrupted|called|wrote|sent|came|left|and\s+(?:i|me|you|we|he|she|they)|will|would"
    r"|can|could|should|agreed|offered|promised|suggested)\b)",
    re.IGNORECASE,
)
_SENTENCE_START = re.compile(r"(?:^|[.!?:\n][\"')\]]*)\s*[\"'(\[]*$")


@dataclass(frozen=True)
class _Part:
    owner: str
    is_word: bool


def roster_owner(mention: str, roster: Sequence[str]) -> str:
    """The roster name a mention belongs to; the mention itself where two people share it."""
    part = _parts(tuple(roster)).get(_folded(mention))
    return part.owner if part else mention


def find_roster(text: str, roster: Sequence[str]) -> Iterator[Found]:
    """Every whole-word mention of a roster name or of a part of one, in any case."""
    names = tuple(roster)
    pattern = _pattern(names)
    if pattern is None:
        return
    parts = _parts(names)
    for found in pattern.finditer(text):
        part = parts[_folded(found.group())]
        if not part.is_word or _is_name_here(text, found.start(), found.end()):
            yield Found(found.start(), found.end(), "NAME", 1.0)


def _is_name_here(text: str, start: int, end: int) -> bool:
    """Whether a name that is also a word is meant as a name."""
    word, before, after = text[start:end], text[max(0, start - 40) : start], text[end : end + 24]
    if word[0].isupper():
        if not _SENTENCE_START.search(before):
            return True
        return bool(_AFTER.match(after)) or after[:1] == ","
    return bool(_STRONG_BEFORE.search(before)) and not re.match(r"^\s+(?:to|be|of|a|the)\b", after)


def _folded(name: str) -> str:
    return re.sub(r"[\s\-']+", " ", normalise(name).text.casefold()).strip()


@lru_cache(maxsize=512)
def _parts(roster: tuple[str, ...]) -> dict[str, _Part]:
    owners: dict[str, set[str]] = {}
    for name in roster:
        whole = _folded(name)
        words = [word for word in whole.split() if len(word) >= 2 and word not in PARTICLES]
        for part in {whole, *words}:
            if len(part) >= 2:
                owners.setdefault(part, set()).add(name)
    return {
        part: _Part(next(iter(names)) if len(names) == 1 else part, part in WORD_NAMES)
        for part, names in owners.items()
    }


@lru_cache(maxsize=512)
def _pattern(roster: tuple[str, ...]) -> re.Pattern[str] | None:
    parts = sorted(_parts(roster), key=len, reverse=True)
    if not parts:
        return None
    shapes = "|".join(re.escape(part).replace(r"\ ", r"[\s\-']{1,3}") for part in parts)
    return re.compile(rf"(?<!\w)(?:{shapes})(?!\w)", re.IGNORECASE)


_NAME_WORD = r"[A-ZÀ-ÖØ-ÞĀ-ŽΑ-ΩА-Я][\w'’-]{1,30}"
_INTRODUCED = re.compile(
    r"(?:\b[Mm]y name is|\b[Mm]y name's|\bI am called|\b[Tt]his is|\b[Ii]ch heiße"
    r"|\b[Mm]ein Name ist|\b[Jj]e m'appelle|\b[Mm]e llamo|\b[Mm]i chiamo"
    r"|\b[Mm]y (?:boss|manager|colleague|friend|brother|sister|wife|husband|partner|son"
    r"|daughter|mother|father|mum|mom|dad|coach|mentor|neighbour|neighbor"
    r"|therapist|assistant|teammate|team lead|ex|cousin|aunt|uncle|boyfriend|girlfriend)"
    r"|\b[Mm]eine? (?:Chef|Chefin|Kollege|Kollegin|Freund|Freundin)"
    rf"|\b(?:Mr|Mrs|Ms|Dr|Prof|Herr|Frau|Señor|Señora|Madame"
    rf"|Monsieur)\.?),?\s+({_NAME_WORD}(?:\s+(?:(?:van|von|de|der|da|del|bin"
    rf"|al)\s+)?{_NAME_WORD}){{0,2}})"
)
_SAID_NAME = re.compile(
    r"\b(?:my name is|my name's|i am called|they call me)\s+([^\W\d_]{2,20}(?:\s+(?!and\b"
    r"|but\b|i\b|from\b|so\b|um\b|uh\b|the\b)[^\W\d_]{2,20})?)",
    re.IGNORECASE,
)


def find_introduced(text: str) -> Iterator[Found]:
    """Names that someone introduces: "my name is ...", "my colleague Jo Park", "Dr Weber".

    Also first names that are words where a name is expected: "with Grace", or "April: I think".
    """
    for found in _LABEL.finditer(text):
        yield Found(found.start(1), found.end(1), "NAME", 0.7)
    for found in _GIVEN_HERE.finditer(text):
        before = text[max(0, found.start() - 40) : found.start()]
        if _STRONG_BEFORE.search(before):
            yield Found(found.start(), found.end(), "NAME", 0.7)
    for found in _INTRODUCED.finditer(text):
        yield Found(found.start(1), found.end(1), "NAME", 0.8)
    for found in _SAID_NAME.finditer(text):
        yield Found(found.start(1), found.end(1), "NAME", 0.75)

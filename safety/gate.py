"""The output gate: a model's words reach a person clause by clause, each past every check first.

A clause is judged with all text before it and a stretch held back after it, the same stretch
however the stream was cut: a chunk boundary can neither hide a pattern nor change a verdict.
"""

import re
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from safety.disguises import forms, fragments, looks_encoded, squashed, turned
from safety.errors import GateClosed
from safety.languages import guess_language, other_script
from safety.redaction.engine import FINDERS
from safety.redaction.names import find_roster
from safety.redaction.pseudonyms import PLACEHOLDER
from safety.text import clean, normalise, views

MOST_CHARACTERS = 320
MOST_SENTENCES = 2
HOLD_CHARACTERS = 32
MOST_CLAUSE_WORDS = 12
MOST_RAW_CHARACTERS = 4 * MOST_CHARACTERS

_ECHO_WORDS, _TURNED_ECHO_WORDS = 6, 3
_STRETCH_WORDS = 10
_BOUNDARY = re.compile(r"\n|[.!?;:,…]+[\"'”’)\]]*(?=\s)")
_WORD = re.compile(r"\S+")
_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|etc|vs|mr|mrs|ms|dr|prof|no|approx|z\.B|bzw)\.$", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s+\S)|\n+(?=\s*\S)")
_MARKUP = re.compile(
    r"<\s*[a-zA-Z/!?]|&(?:#\w+|[a-z]{2,8});|!?\[[^\]\n]{0,200}\]\s?[\[(]|```"
    r"|`[^`\n]{1,80}`|\*\*|__\w|~~"
    r"|(?<!\w)\*[^*\s][^*\n]{0,80}\*(?!\w)|(?<!\w)_[^_\s][^_\n]{0,80}_(?!\w)"
    r"|^\s{0,3}(?:#{1,6}\s|>\s|[-*+•]\s|\d{1,2}[.)]\s|\||={3,}|-{3,})|[{}]|\$\{"
    r"|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\]\(",
    re.MULTILINE | re.IGNORECASE,
)
# What a nudge never speaks of, whatever it was told: doses, deals, passwords, what was consented.
_OVERREACH = re.compile(
    r"\b(?:take|taking|double|swallow|stop\s+taking)\s+(?:\w+\s+){0,4}(?:pills?|tablets?|capsules?"
    r"|medicine|medication|meds|antidepressants?|ibuprofen|paracetamol|mg)\b"
    r"|\b\d+\s?(?:mg|milligrams?|ml)\b|\bdiagnos(?:e|ed|is)\b|\bprescri(?:be|bed|ption)\b"
    r"|\b(?:buy|purchase|subscribe|order)\s+(?:\w+\s+){0,3}(?:now|today|shares?|stocks?|gold"
    r"|bitcoin|crypto|premium|plan|licence|license|product|subscription|pro)\b|\bpremium\s+(?:plan"
    r"|subscription|version)\b|\binvest\s+in\b|\bcredit\s+card\b"
    r"|\b(?:your|the|their|my)\s+(?:passwords?|pin|credentials|access\s+token|api\s+key)\b"
    r"|\byour\s+consent\b|\bconsent\s+(?:has\s+been|was|is)\s+(?:\w+\s+)?(?:given|granted"
    r"|recorded)\b|\b(?:internal\s+mark|system\s+prompt|my\s+instructions)\b",
    re.IGNORECASE,
)
# No nudge has a number that long: it is a card, a phone or an account, whatever its checksum.
_LONG_NUMBER = re.compile(r"\d(?:[\s./_()-]{0,2}\d){8,}")
_LINK = re.compile(
    r"[a-z][a-z0-9+.-]{1,20}:/{2}|\bwww\.|\bjavascript:|\bdata:\w+/|\bmailto:|\btel:"
    # A dot between two words, in any order of their letters, is an address or would become one.
    r"|[^\W\d_]{2,}\.[^\W\d_]{2,}",
    re.IGNORECASE,
)
_RUDE = re.compile(
    r"\b(?:f+u+c+k\w*|motherf\w+|sh[i1]t(?:ty|head|s)?|bullshit|b[i1]tch\w*|c[u]nts?"
    r"|assholes?|arsehole\w*|bastards?|dickheads?|wankers?|twats?"
    r"|sluts?|whores?|retard(?:s|ed)?|morons?|idiots?|imbeciles?|dumb(?:ass|o)?"
    r"|stupid\s+(?:person|man|woman|girl|boy|cow|pig|fool|people)|losers?"
    r"|n[i1]gg\w+|fagg?ots?|trann(?:y|ies)|sp[i1]cs?|k[i1]kes?|ch[i1]nks?|wetbacks?"
    r"|subhuman\w*|vermin|scum(?:bag)?s?|worthless|pathetic|loathsome)\b"
    r"|\b(?:you(?:'re|\s+are)\s+(?:so\s+|such\s+an?\s+|an?\s+|just\s+)*(?:stupid|useless"
    r"|hopeless|disgusting|ugly|fat|lazy|failure|burden|waste|idiot|joke|nobody|disgrace"
    r"|embarrassment|coward|liar|trash|garbage))\b"
    r"|\b(?:shut\s+up|screw\s+you|drop\s+dead|go\s+to\s+hell|kill\s+yourself"
    r"|hurt\s+yourself|harm\s+yourself|go\s+die|hope\s+you\s+(?:die|fail|suffer)"
    r"|nobody\s+(?:likes|loves|wants|needs)\s+you"
    r"|(?:would|should|will)\s+be\s+better\s+off\s+(?:dead|without\s+you)|i(?:'ll"
    r"|\s+will)\s+(?:hurt|kill|find|destroy)\s+you|you\s+(?:should|deserve\s+to)\s+(?:die"
    r"|suffer|be\s+punished|be\s+ashamed)"
    r"|those\s+people\s+are\s+(?:animals|criminals|thieves|dirty))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Protected:
    """What no output may hold: other people's names, canaries, the prompt's own lines.

    A placeholder passes only when it is in `allowed_placeholders`.
    """

    names: Sequence[str] = ()
    canaries: Sequence[str] = ()
    prompt_lines: Sequence[str] = field(default=(), repr=False)
    allowed_placeholders: frozenset[str] = frozenset()


# Reads a text so far and names the policy it breaks, or None; it is asked when the rules are done.
Judge = Callable[[str], Awaitable[str | None]]


async def release(
    draft: AsyncIterable[str],
    *,
    passages: Sequence[str],
    protected: Protected,
    judges: Sequence[Judge] = (),
) -> AsyncGenerator[str, None]:
    """Yield the clauses of a draft as they pass; joined they are the draft, outer space trimmed.

    Raises GateClosed with the policy that refused: control, canary, prompt_echo, personal_data,
    link, markup, encoded, overreach, toxicity, language, too_long or empty, or the one a judge
    names. What was yielded before is true as far as it goes; a caller that replaces it says so.
    """
    screen = Screen(passages, protected)
    text, shown = "", 0
    async for chunk in draft:
        text = (text + chunk).lstrip() if not shown else text + chunk
        while (clause := _next_clause(text, shown, screen.hold)) is not None:
            yield await _passed(screen, judges, text, shown, clause)
            shown = clause.end
        if len(text) > MOST_RAW_CHARACTERS:
            raise GateClosed("too_long")
    text = text.rstrip()
    if not any(char.isalnum() for char in text):
        raise GateClosed("empty")
    while shown < len(text):
        clause = _next_clause(text, shown, 0) or _Clause(len(text), len(text))
        last = _Clause(clause.end, min(len(text), _seen_until(text, clause.end, screen.hold)))
        yield await _passed(screen, judges, text, shown, last)
        shown = clause.end


def check(
    text: str, *, passages: Sequence[str] = (), protected: Protected | None = None
) -> str | None:
    """The policy that refuses a whole text, or None when it may be shown."""
    if not any(char.isalnum() for char in text):
        return "empty"
    return Screen(passages, protected or Protected()).fault(text.strip())


async def _passed(
    screen: "Screen", judges: Sequence[Judge], text: str, start: int, clause: "_Clause"
) -> str:
    """The clause at `start`, once all text up to its hold-back passed; raises GateClosed."""
    seen = text[: clause.seen]
    reason = screen.fault(seen)
    for judge in judges:
        reason = reason or await judge(seen)
    if reason is not None:
        raise GateClosed(reason)
    return text[start : clause.end]


@dataclass(frozen=True)
class _Clause:
    """Where a clause ends, and how far the text after it is looked at with it."""

    end: int
    seen: int


def _next_clause(text: str, start: int, hold: int) -> _Clause | None:
    """The next clause that has its whole hold-back behind it."""
    end = _clause_end(text, start)
    if end is None or len(text) < end + hold + 1:
        return None
    return _Clause(end, _seen_until(text, end, hold))


def _clause_end(text: str, start: int) -> int | None:
    """Where the clause at `start` ends: after a mark with a space behind, or after twelve words."""
    limit: int | None = None
    for count, word in enumerate(_WORD.finditer(text, start), start=1):
        if count == MOST_CLAUSE_WORDS:
            limit = word.end() if word.end() < len(text) else None
            break
    for found in _BOUNDARY.finditer(text, start):
        if found.start() > start or found.group() != "\n":
            if limit is not None and found.end() > limit:
                return limit
            return found.end()
    return limit


def _seen_until(text: str, end: int, hold: int) -> int:
    """The end of the held-back stretch, at a space: half a word would be misread."""
    if end + hold >= len(text):
        return len(text)
    space = max(text.rfind(" ", end, end + hold + 1), text.rfind("\n", end, end + hold + 1))
    return max(space, end)


class Screen:
    """Every check, made ready once for a session's secrets and a request's passages."""

    def __init__(self, passages: Sequence[str], protected: Protected) -> None:
        self._protected = protected
        self._language = guess_language(" ".join(passages)) or "en"
        self._canaries = {part for canary in protected.canaries for part in fragments(canary)}
        # Plain mentions are the roster's matter; squashed, they would turn up between other words.
        self._names = {form for name in protected.names for form in forms(name) - {squashed(name)}}
        self._quotable = normalise("\n".join(passages)).text.casefold()
        quoted = _grams(" ".join(passages))
        self._echoes = {
            gram for line in protected.prompt_lines for gram in _grams(line) if gram not in quoted
        }
        # Turned about, even a few of its words cannot be there by chance.
        self._turned_echoes = {
            gram
            for line in protected.prompt_lines
            for other in turned(line)
            for gram in _grams(other, _TURNED_ECHO_WORDS)
        }
        longest = max((len(one) for one in (*protected.names, *protected.canaries)), default=0)
        self.hold = max(HOLD_CHARACTERS, min(longest + 8, 96))
        self._checks: tuple[tuple[str, Callable[[_Reading], bool]], ...] = (
            ("control", _has_control),
            ("canary", self._has_canary),
            ("prompt_echo", self._echoes_prompt),
            ("personal_data", self._has_personal_data),
            ("link", _has_link),
            ("markup", _has_markup),
            ("encoded", _is_encoded),
            ("overreach", _overreaches),
            ("toxicity", _is_toxic),
            ("language", self._is_foreign),
            ("too_long", _is_too_long),
        )

    def fault(self, text: str) -> str | None:
        """The first policy that a text breaks."""
        reading = _Reading(text)
        return next((reason for reason, breaks in self._checks if breaks(reading)), None)

    def _has_canary(self, reading: "_Reading") -> bool:
        if not self._canaries:
            return False
        return any(part in one for part in self._canaries for one in reading.squashed)

    def _echoes_prompt(self, reading: "_Reading") -> bool:
        if not self._echoes:
            return False
        if not self._turned_echoes.isdisjoint(_grams(reading.plain, _TURNED_ECHO_WORDS)):
            return True
        return any(not self._echoes.isdisjoint(_grams(view)) for view in reading.views)

    def _has_personal_data(self, reading: "_Reading") -> bool:
        allowed = self._protected.allowed_placeholders
        if any(found.group() not in allowed for found in PLACEHOLDER.finditer(reading.text)):
            return True
        finders = [find for name, find in FINDERS.items() if name != "URL"]
        found = (
            view[one.start : one.end]
            for view in (reading.plain, *reading.decoded)
            for find in finders
            for one in find(view)
        )
        # What the playbook itself says, such as an author's name, is no secret of the session's.
        if any(words.casefold() not in self._quotable for words in found):
            return True
        if any(_LONG_NUMBER.search(view) for view in reading.views):
            return True
        names = self._protected.names
        if not names:
            return False
        if any(True for view in reading.views for _ in find_roster(view, names)):
            return True
        return any(form in one for form in self._names for one in reading.squashed)

    def _is_foreign(self, reading: "_Reading") -> bool:
        if other_script(reading.bare, self._language):
            return True
        words = reading.bare.split()
        starts = range(0, len(words), _STRETCH_WORDS // 2)
        stretches = [" ".join(words[start : start + _STRETCH_WORDS]) for start in starts]
        found = {guess_language(stretch) for stretch in (reading.bare, *stretches)} - {None}
        return not found <= {self._language}


class _Reading:
    """One text in the ways the checks look at it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.bare = PLACEHOLDER.sub(" ", text)
        self.plain = normalise(self.bare).text
        read = views(self.bare)
        self.views = tuple(view.text for view in read)
        self.decoded = tuple(view.text for view in read if view.kind == "decoded")
        self.squashed = {squashed(view) for view in self.views}


def _has_control(reading: _Reading) -> bool:
    return clean(reading.text) != unicodedata.normalize("NFC", reading.text)


def _has_link(reading: _Reading) -> bool:
    return bool(_LINK.search(reading.plain)) or any(True for _ in FINDERS["URL"](reading.plain))


def _has_markup(reading: _Reading) -> bool:
    return bool(_MARKUP.search(reading.bare)) or not {"[", "]"}.isdisjoint(reading.bare)


def _is_encoded(reading: _Reading) -> bool:
    return looks_encoded(reading.bare)


def _is_toxic(reading: _Reading) -> bool:
    return any(_RUDE.search(view.replace("’", "'")) for view in reading.views)


def _overreaches(reading: _Reading) -> bool:
    return bool(_OVERREACH.search(reading.plain))


def _is_too_long(reading: _Reading) -> bool:
    text = reading.text
    ends = [
        found
        for found in _SENTENCE_END.finditer(text)
        if not _ABBREVIATION.search(text[max(0, found.start() - 12) : found.start() + 1])
    ]
    return len(text) > MOST_CHARACTERS or len(ends) >= MOST_SENTENCES


def _grams(text: str, size: int = _ECHO_WORDS) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}

"""Text made plain: what we store and show, what guards read, and the way back to the input.

All of it is linear in the text. Joiners and variation selectors stay where a script or an emoji
needs them; everywhere else they only hide words from a guard.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

_ZWNJ, _ZWJ, _TEXT_STYLE, _EMOJI_STYLE = "\u200c", "\u200d", "\ufe0e", "\ufe0f"
_KEEP_CONTROLS = "\n\t"
_MAX_MARKS = 4
# Putting marks in order takes the square of their number, so a run is cut where text that can be
# streamed would be (Unicode Standard Annex 15, section 13).
_MAX_RUN = 30
_LAYERS = 2
_MAX_VIEW = 20_000
_MAX_DECODED = 12
_LEAST_COMMON = 3

# Default_Ignorable_Code_Point of Unicode 16 outside category Cf: fillers, selectors, tags.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Anything here needs a second look; text without it is clean once it is NFC.
_SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]|" + _IGNORABLE.pattern
)
_MARK_RUN = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{5,}")
_FAR_RUN = re.compile("[\u0300-\U0010ffff]{31,}")
_JOINING_SCRIPTS = re.compile(
    "[\u0600-\u06ff\u0700-\u077f\u0860-\u08ff\u0900-\u0dff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"
    "\u1800-\u18af\u1b00-\u1b7f\ua840-\ua87f\ua8e0-\ua8ff\ua980-\ua9df]"
)
_EMOJI = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_ENCLOSING = frozenset("\u20dd\u20de\u20df\u20e0\u20e2\u20e3\u20e4")
_KEYCAP_BASE = "0123456789#*"


def clean(text: str) -> str:
    """The text as we store and show it: NFC, nothing invisible but what a script or emoji needs.

    Control characters other than line feed and tab, lone surrogates, bidirectional overrides and
    tags are dropped; a stack of more than four accents is cut. Applying it twice changes nothing.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii() and not _SUSPECT.search(text):
        return text
    composed = _composed(_encodable(text))
    if not _SUSPECT.search(composed):
        return composed
    kept: list[str] = []
    for index, char in enumerate(composed):
        if not _SUSPECT.match(char) or _needed(composed, index, kept[-1] if kept else ""):
            kept.append(char)
    return _composed("".join(kept))


def _encodable(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "", text)


def _composed(text: str) -> str:
    """NFC without stacks of accents; cut again behind, as one mark may decompose into two."""
    return _unstacked(unicodedata.normalize("NFC", _unstacked(text)))


def _unstacked(text: str) -> str:
    return _MARK_RUN.sub(_short_run, _FAR_RUN.sub(_orderable, text))


def _short_run(found: re.Match[str]) -> str:
    return found.group()[:_MAX_MARKS]


def _orderable(found: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for char in found.group():
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= _MAX_RUN:
            kept.append(char)
    return "".join(kept)


def _needed(text: str, index: int, before: str) -> bool:
    """Whether an invisible character shapes what is visible around it."""
    char = text[index]
    after = text[index + 1 : index + 2]
    if char in (_EMOJI_STYLE, _TEXT_STYLE):
        return bool(_EMOJI.match(before)) or (before != "" and before in _KEYCAP_BASE)
    if char in (_ZWJ, _ZWNJ):
        if _JOINING_SCRIPTS.match(before) and _JOINING_SCRIPTS.match(after):
            return True
        joins = before == _EMOJI_STYLE or bool(_EMOJI.match(before))
        return char == _ZWJ and joins and bool(_EMOJI.match(after))
    return False


@dataclass(frozen=True)
class Normalised:
    """Text for guards to read; character i of `text` came from `original[starts[i]:ends[i]]`."""

    text: str
    original: str = field(repr=False)
    starts: Sequence[int] = field(repr=False)
    ends: Sequence[int] = field(repr=False)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The part of the original that `text[start:end]` came from; empty stays empty."""
        if start >= end:
            at = self.starts[start] if start < len(self.text) else len(self.original)
            return at, at
        return self.starts[start], self.ends[end - 1]


def normalise(text: str) -> Normalised:
    """The text in compatibility form, without invisibles, look-alike letters made Latin.

    Case, accents and scripts other than Latin stay. Look-alikes are folded in words that mix them
    with Latin letters, and in words made of look-alikes alone where Latin leads in the text.
    """
    if text.isascii() and not _SUSPECT.search(text):
        return Normalised(text, text, range(len(text)), range(1, len(text) + 1))
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        piece = text[start:end]
        if not piece.isascii():
            piece = _plain(piece)
        for char in piece:
            if char not in _ENCLOSING and not _SUSPECT.match(char):
                chars.append(char)
                starts.append(start)
                ends.append(end)
    _fold_lookalikes(chars)
    return Normalised("".join(chars), text, starts, ends)


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Spans of a character with the accents after it, which compose together."""
    start = 0
    for index in range(1, len(text)):
        char = text[index]
        if char < "\u0300" or unicodedata.combining(char) == 0:
            yield start, index
            start = index
    if text:
        yield start, len(text)


def _plain(piece: str) -> str:
    if piece in _SIGNS:
        return _SIGNS[piece]
    composed = unicodedata.normalize("NFKC", piece[: 1 + _MAX_RUN])
    if len(composed) > _MAX_MARKS:
        composed = composed[:1] + composed[1:].lstrip("".join(_marks(composed[1:])))
    return "".join(_SIGNS.get(char, char) for char in composed)


def _marks(text: str) -> set[str]:
    return {char for char in text if unicodedata.combining(char)}


def _fold_lookalikes(chars: list[str]) -> None:
    """Make look-alike letters Latin in place, word by word."""
    latin = sum(char.isascii() and char.isalpha() for char in chars)
    other = sum(char in _LOOKALIKES for char in chars)
    if not other:
        return
    start = 0
    for index in range(len(chars) + 1):
        if index < len(chars) and (chars[index].isalnum() or chars[index] in _LOOKALIKES):
            continue
        word = chars[start:index]
        letters = [char for char in word if not char.isdigit()]
        mixed = any(char.isascii() for char in letters)
        disguised = latin > other and all(char in _LOOKALIKES for char in letters)
        if mixed or disguised:
            chars[start:index] = [_LOOKALIKES.get(char, char) for char in word]
        start = index + 1


# Signs that stand for an ASCII one in what people paste; NFKC leaves them as they are.
_SIGNS = (
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u02d7\ufe58\u2e3a\u2e3b", "-")
    | dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u02b9\u00b4\u0060\uff07", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')
    | dict.fromkeys("\u2028\u2029\u0085", "\n")
    | dict.fromkeys("\u1680\u180e", " ")
    | dict.fromkeys("\u2024\u00b7\u2022\u2027\u3002\uff61\u06d4", ".")
    | dict.fromkeys("\u2044\u2215\u29f8", "/")
    | dict.fromkeys("\ufe6b\u24d0", "@")
    | dict(
        # Phonetic letters and small capitals: no living script is written in them alone.
        zip(
            "\u0131\u0251\u0261\u0269\u01c0\u1d00\u0299\u1d04\u1d05\u1d07\ua730\u0262\u029c\u026a\u1d09"
            "\u1d0a\u1d0b\u029f\u1d0d\u0274\u1d0f\u1d18\u0280\ua731\u1d1b\u1d1c\u1d20\u1d21\u028f\u1d22"
            "\u0250\u01dd\u0279\u0265\u026f\u0287\u028c\u028d\u028e",
            "iagilabcdefghiijklmnoprstuvwyzaerhmtvwy",
            strict=True,
        )
    )
    | {chr(0x1F1E6 + i): chr(97 + i) for i in range(26)}
    | {chr(base + i): chr(65 + i) for base in (0x1F130, 0x1F150, 0x1F170) for i in range(26)}
)

# Letters that are drawn like Latin ones (a part of Unicode's confusables: what attackers use).
_LOOKALIKES = dict(
    zip(
        "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u0461\u043a\u043c\u0442\u043d\u0432\u043f\u0433"
        "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0423\u0406\u0408\u0405\u04ae\u050c\u051a\u051c"
        "\u03b1\u03bf\u03c1\u03bd\u03b9\u03ba\u03c4\u03c5\u03c7\u03b5\u03b7\u03b3\u03c9\u03f2\u03f3"
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
        "\u0585\u057d\u0578\u0570\u0566\u0581\u0561",
        "aeopcyxijshdqwwkmthbnrABEKMHOPCTXYIJSYGQWaopvikTuxenywcj".lower()
        + "ABEZHIKMNOPTYX"
        + "ounhqgw",
        strict=True,
    )
)


@dataclass(frozen=True)
class View:
    """One way to read a text: as it came, normalised, or decoded."""

    kind: Literal["raw", "normalised", "decoded"]
    text: str


def views(text: str) -> tuple[View, ...]:
    """The text raw, normalised, and as it decodes (base64, hex, rot13, URL, leetspeak, spaced).

    Two layers deep, at most 12 decoded views, each cut at 20,000 characters.
    """
    plain = normalise(text).text
    found = [View("raw", text)]
    if plain != text:
        found.append(View("normalised", plain))
    seen = {text, plain}
    layer = [plain]
    for _ in range(_LAYERS):
        deeper: list[str] = []
        for source in layer:
            for decoded in _decodings(source[:_MAX_VIEW]):
                plain_decoded = normalise(decoded).text
                if plain_decoded not in seen and len(found) < _MAX_DECODED + 2:
                    seen.add(plain_decoded)
                    deeper.append(plain_decoded)
                    found.append(View("decoded", plain_decoded))
        layer = deeper
    return tuple(found)


_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(r"(?:\\x|0x)?[0-9a-fA-F]{2}(?:[\s:,-]?(?:\\x|0x)?[0-9a-fA-F]{2}){5,}")
_HEX_NOISE = re.compile(r"\\x|0x|[^0-9a-fA-F]")
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_LEET_WORD = re.compile(r"(?<![\w@$!|])(?=[\w@$!|]*[A-Za-z])(?=[\w@$!|]*[0-9@$!|])[\w@$!|]{2,40}")
_LEET = str.maketrans("013457@$!|", "oieastasil")
_SPACED = re.compile(r"(?<!\w)(?:\w(?: ?[._*|/-] ?| ))+\w(?!\w)")
_BROKEN = re.compile(r"(?<=\w)[._*|~^-](?=\w)")
_COMMON = re.compile(
    r"\b(?:the|and|you|your|all|ignore|instructions?|prompt|system|previous|tell|show|print|rules"
    r"|reveal|forget|want|myself|kill|die|say|is|are|to|me|my|of|in|it|that|what|for|with|who|not)\b",
    re.IGNORECASE,
)


def _decodings(text: str) -> Iterator[str]:
    """Each decoding that changes the text and reads like text."""
    yield from _runs(text, _BASE64, _from_base64)
    yield from _runs(text, _HEX, _from_hex)
    if _PERCENT.search(text):
        yield unquote(text, errors="ignore")
    if leet := _LEET_WORD.sub(lambda found: found.group().lower().translate(_LEET), text):
        yield leet
    if spaced := _SPACED.sub(_joined, text):
        yield spaced
    if _BROKEN.search(text):
        yield _BROKEN.sub(" ", text)
    for turned in (codecs.encode(text, "rot13"), text[::-1]):
        # Any text can be turned; only one that turns into common words was meant so.
        if len(_COMMON.findall(turned)) >= _LEAST_COMMON:
            yield turned


def _runs(
    text: str, pattern: re.Pattern[str], decode: Callable[[str], str | None]
) -> Iterator[str]:
    whole = pattern.sub(lambda found: decode(found.group()) or found.group(), text)
    if whole != text:
        yield whole


def _from_base64(run: str) -> str | None:
    """The text in a base64 run, padded or not, in either alphabet; None when it holds no text."""
    bare = run.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return _readable(base64.b64decode(bare + "=" * (-len(bare) % 4)))
    except binascii.Error:
        return None


def _from_hex(run: str) -> str | None:
    digits = _HEX_NOISE.sub("", run)
    return _readable(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _readable(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", " ").isprintable() else None


def _joined(found: re.Match[str]) -> str:
    return re.sub(r"[ ._*|/-]", "", found.group())

"""Names written in another script than the talk around them, and in Arabic talk.

Whoever says "my colleague محمد" in English names somebody: in a few words of another script
between Latin ones there is hardly anything else. A whole sentence in it is left to the others.
"""

import re
from collections.abc import Iterator

from safety.redaction.ordinary import foreign_words
from safety.redaction.spans import Found

_LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏḀ-ỿ]+")
# Letters that are none of Latin, with the marks that belong to them.
_OTHER = r"[^\W\d_A-Za-zªº\u00c0-\u02ff\u1e00-\u1eff\ufb00-\ufb06]"
_MARK = r"[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0903\u093a-\u094f\u200c\u200d]"
_WORD = rf"{_OTHER}(?:{_OTHER}|{_MARK}){{1,24}}"
# Chinese, Japanese and Korean put no space between a surname and a first name.
_CLOSED = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_RUN = re.compile(
    rf"(?<![\w])(?:{_CLOSED}{{1,6}}(?:[ ·]{_CLOSED}{{1,6}})?|{_WORD}(?:[ -]{_WORD}){{0,2}})(?!\w)"
)
_FURTHER = re.compile(rf"\s*{_OTHER}")
_INTRODUCED = re.compile(
    r"(?<!\w)(?:اسمي|انا اسمي|أنا اسمي|إسمي|السيد|السيدة|الدكتور|الدكتورة|الأستاذ|الأستاذة|يا)"
    r"\s+([\u0620-\u065f]{2,16}(?:\s+ال[\u0620-\u065f]{2,16})?)(?!\w)"
)
# Given names that are hardly ever words; "and", "to" and "with" are written as their first letter.
_KNOWN = (
    "محمد|أحمد|احمد|محمود|مصطفى|إبراهيم|ابراهيم|إسماعيل|يوسف|حسين|خالد|طارق|زياد|مروان|سامر|فادي"
    "|رامي|ياسر|عبد ?الله|عبد ?الرحمن|فاطمة|عائشة|خديجة|زينب|مريم|سلمى|ليلى|ياسمين|رانيا|لينا|سعاد"
    "|سميرة|نادية"
)
_GIVEN_ARABIC = re.compile(
    rf"(?<!\w)[وفبل]?((?:{_KNOWN})(?:\s+(ال[\u0620-\u065f]{{2,16}}))?)(?!\w)"
)


def find_in_other_scripts(text: str) -> Iterator[Found]:
    """Up to three words of another script within Latin talk; in Arabic, known given names too."""
    if text.isascii():
        return
    for found in _INTRODUCED.finditer(text):
        yield Found(found.start(1), found.end(1), "NAME", 0.7)
    for found in _GIVEN_ARABIC.finditer(text):
        surname = found.group(2)
        ends = found.start(2) - 1 if surname in foreign_words() else found.end(1)
        yield Found(found.start(1), ends, "NAME", 0.7)
    latin = len(_LATIN_WORD.findall(text))
    for found in _RUN.finditer(text):
        if len(found.group().split()) < latin and not _goes_on(text, found):
            yield Found(found.start(), found.end(), "NAME", 0.6)


def _goes_on(text: str, found: re.Match[str]) -> bool:
    """Whether more of the other script stands beside a run: then it is a sentence, not a name."""
    return bool(_FURTHER.match(text, found.end())) or bool(
        re.search(rf"{_OTHER}\s*\Z", text[max(0, found.start() - 3) : found.start()])
    )

"""Names, places and organisations that no roster holds, found by a small trained model.

The encoder knows no capitals; each piece tells it instead, as its token type, whether its word
begins with one. Speech that came without capitals is read all the same.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from safety.errors import RedactionFailed
from safety.languages import guess_language
from safety.redaction.names import PARTICLES
from safety.redaction.ordinary import NEVER_SURNAMES, foreign_words
from safety.redaction.spans import Found

WEIGHTS = Path(__file__).parents[1] / "weights"
KINDS = ("NAME", "PLACE", "ORGANISATION", "ADDRESS")
LABELS = 1 + 2 * len(KINDS)
WINDOW_WORDS, OVERLAP_WORDS = 80, 16
# The encoder knows 512 places, two of which are its own marks.
MOST_PIECES = 510
CLS, SEP, UNKNOWN = 101, 102, 100

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[^\w\s]|_")
_LETTER = re.compile(r"[^\W\d_]")
_PIECES_OF_A_WORD = 8
_WORDS_AT_ONCE = 512
_INNER_MARKS = frozenset("-&'’")
_LONGEST_INITIAL = 2
# Words that announce personal data look like names to the model where little else is said.
_ANNOUNCERS = frozenset(
    {
        "dni",
        "nie",
        "nino",
        "ssn",
        "nhs",
        "dob",
        "iban",
        "bic",
        "cpf",
        "bsn",
        "pin",
        "geboren",
        "tel",
    }
)
_HOURS = frozenset(
    {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "noon"}
)
_SENTENCE_ENDS = frozenset(".!?:¿¡")
# A word beside a name needs less of a share than one alone to be taken for a part of it: after a
# name in capitals, after one in lower case, and before one. Chosen on our own dev sentences.
_AFTER_CASED, _AFTER_LOWER, _BEFORE = 0.004, 0.03, 0.012
# Without a capital that says anything ("Ring Ada", "raw"), a name needs a larger share.
_BARE_NAME = 0.3
_NAME = KINDS.index("NAME")
# What is numbered and no house.
_NUMBERED = frozenset(
    {
        "case",
        "chapter",
        "invoice",
        "issue",
        "item",
        "line",
        "order",
        "page",
        "part",
        "question",
        "sprint",
        "step",
        "ticket",
        "version",
    }
)
_LINKS = frozenset({"in", "at", "on", "and", "near", "from", "to", "the"})

Floats = npt.NDArray[np.float32]


def split_words(text: str) -> list[tuple[str, int, int]]:
    """The words and marks of a text, each with its span."""
    return [(found.group(), found.start(), found.end()) for found in _WORD.finditer(text)]


@dataclass(frozen=True)
class Encoded:
    """One window: ids and token types of its pieces, and where each word's first piece lies."""

    ids: list[int]
    types: list[int]
    firsts: list[int]


def encode(tokenizer: Any, words: Sequence[str]) -> Encoded:
    """A window's pieces between the encoder's two marks; of a monstrous word the first eight."""
    return joined(pieces(tokenizer, words), words)


def pieces(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    """The ids of each word's pieces, one to eight."""
    found: list[list[int]] = []
    # What the tokenizer gives for a word is large: all of a long text's at once would not fit.
    for start in range(0, len(words), _WORDS_AT_ONCE):
        some = list(words[start : start + _WORDS_AT_ONCE])
        made = tokenizer.encode_batch(some, add_special_tokens=False)
        found += [one.ids[:_PIECES_OF_A_WORD] or [UNKNOWN] for one in made]
    return found


def joined(cut: Sequence[Sequence[int]], words: Sequence[str]) -> Encoded:
    """A window of words that are cut to pieces already."""
    ids, types, firsts = [CLS], [0], []
    for ids_of_word, word in zip(cut, words, strict=True):
        firsts.append(len(ids))
        ids += ids_of_word
        types += [int(word[:1].isupper())] * len(ids_of_word)
    return Encoded([*ids, SEP], [*types, 0], firsts)


def windows(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Spans of 80 words that overlap by 16, fewer where words of so many pieces would not fit."""
    start = end = taken = 0
    while end < len(sizes):
        while end < len(sizes) and end - start < WINDOW_WORDS and taken + sizes[end] <= MOST_PIECES:
            taken += sizes[end]
            end += 1
        yield start, end
        if end < len(sizes):
            start = end - OVERLAP_WORDS
            taken = sum(sizes[start:end])


@dataclass(frozen=True)
class Tagger:
    """Finds names in a text. Safe to share between threads."""

    thresholds: tuple[float, ...]
    _tokenizer: Any = field(repr=False)
    _session: Any = field(repr=False)

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> "Tagger":
        """The model in a folder; raises RedactionFailed when a file is missing or has changed."""
        import onnxruntime
        from tokenizers import Tokenizer

        try:
            described = json.loads((folder / "names.json").read_text("utf-8"))
            for name, digest in described["sha256"].items():
                if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                    raise RedactionFailed(f"{name} is not the file that was measured")
            if described["kinds"] != list(KINDS):
                raise RedactionFailed("names.json lists other kinds")
            thresholds = tuple(float(described["thresholds"][kind]) for kind in KINDS)
        except (OSError, ValueError, KeyError) as exc:
            raise RedactionFailed(f"no readable model of names in {folder.name}") from exc
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(folder / "names.onnx"), options, providers=["CPUExecutionProvider"]
        )
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return cls(thresholds, tokenizer, session)

    def find(self, text: str) -> Iterator[Found]:
        """The spans of each kind; windows of 80 words overlap by 16."""
        if not _LETTER.search(text):
            return
        words = split_words(text)
        chances = self.chances([word for word, _, _ in words])
        kinds = self._kinds(words, chances)
        # Elsewhere a capital after a name may be any noun's.
        english = guess_language(text) in (None, "en")
        inside = _widened(words, chances, kinds) if english else frozenset[int]()
        yield from _spans(words, chances, kinds, inside)

    def chances(self, words: Sequence[str]) -> Floats:
        """(words, LABELS) shares that add up to one, from the window that sees a word best."""
        found = np.zeros((len(words), LABELS), np.float32)
        found[:, 0] = 1.0
        cut = pieces(self._tokenizer, words)
        for start, end in windows([len(one) for one in cut]):
            # A name has a word of two letters: marks, digits and initials alone are not read.
            if any(len(word) > 1 and word[0].isalpha() for word in words[start:end]):
                lead = OVERLAP_WORDS // 2 if start else 0
                window = self._window(joined(cut[start:end], words[start:end]))
                found[start + lead : end] = window[lead:]
        return found

    def _window(self, made: Encoded) -> Floats:
        ids = np.array([made.ids], np.int64)
        scores: Floats = self._session.run(
            ["scores"],
            {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.array([made.types], np.int64),
            },
        )[0][0][made.firsts]
        if not np.isfinite(scores).all():
            raise RedactionFailed("the model of names gave no numbers")
        raised = np.exp(scores - scores.max(1, keepdims=True))
        shares: Floats = raised / raised.sum(1, keepdims=True)
        return shares

    def _kinds(self, words: Sequence[tuple[str, int, int]], chances: Floats) -> list[int]:
        """The kind that each word has for itself, -1 for an ordinary one."""
        shares = chances[:, 1::2] + chances[:, 2::2]
        best = shares.argmax(1)
        least = np.array(self.thresholds)[best]
        bare = [not _is_telling(words, at) for at in range(len(words))]
        least[np.array(bare, bool) & (best == _NAME)] = _BARE_NAME
        enough = shares[np.arange(len(words)), best] >= least
        return [int(kind) if held else -1 for kind, held in zip(best, enough, strict=True)]


def _is_telling(words: Sequence[tuple[str, int, int]], at: int) -> bool:
    """Whether a capital says anything: it is there, and not because a sentence begins."""
    return words[at][0][0].isupper() and at > 0 and words[at - 1][0] not in _SENTENCE_ENDS


def _widened(
    words: Sequence[tuple[str, int, int]], chances: Floats, kinds: list[int]
) -> frozenset[int]:
    """Take the neighbours of names in, where the model half thought so and the words allow it.

    Changes `kinds`; gives the places that go on with the name before them.
    """
    shares = chances[:, 1 + 2 * _NAME] + chances[:, 2 + 2 * _NAME]
    inside: set[int] = set()
    for at in range(1, len(words)):
        least = _AFTER_CASED if words[at][0][0].isupper() else _AFTER_LOWER
        half = kinds[at - 1] == _NAME and kinds[at] == -1 and shares[at] >= least
        if half and _may_be_surname(words, at):
            kinds[at] = _NAME
            inside.add(at)
    for at in range(len(words) - 2, -1, -1):
        starts = words[at][0][0].isupper() and not _is_telling(words, at)
        least = _BARE_NAME if starts else _BEFORE
        half = kinds[at + 1] == _NAME and kinds[at] == -1 and shares[at] >= least
        if half and words[at][0].isalpha() and _may_be_surname(words, at + 1):
            kinds[at] = _NAME
            inside.add(at + 1)
    for at in range(1, len(words) - 1):
        if kinds[at - 1] == kinds[at + 1] == _NAME and _is_hyphen(words, at):
            kinds[at] = _NAME
            inside |= {at, at + 1}
    return frozenset(inside)


def _is_hyphen(words: Sequence[tuple[str, int, int]], at: int) -> bool:
    word, start, end = words[at]
    return word == "-" and words[at - 1][2] == start and words[at + 1][1] == end


def _may_be_surname(words: Sequence[tuple[str, int, int]], at: int) -> bool:
    """Whether a word follows a name with nothing but a space between, written as the name is."""
    word, start, _ = words[at]
    before, _, end = words[at - 1]
    return (
        start == end + 1
        and word.replace("'", "").replace("’", "").isalpha()
        and word[0].isupper() == before[0].isupper()
        and word.lower() not in NEVER_SURNAMES
    )


def _spans(
    words: Sequence[tuple[str, int, int]],
    chances: Floats,
    kinds: Sequence[int],
    inside: frozenset[int],
) -> Iterator[Found]:
    """Runs of words of one kind; a beginning label opens a new run, a mark cannot end one.

    The places `inside` a name go on with it whatever their label says.
    """
    shares = chances[:, 1::2] + chances[:, 2::2]
    run: list[int] = []
    current = -1
    for at in range(len(words)):
        kind = kinds[at]
        begins = kind >= 0 and chances[at, 1 + 2 * kind] > chances[at, 2 + 2 * kind]
        begins = begins and at not in inside
        goes_on = bool(run) and kind == current and not begins
        if kind >= 0 and not _belongs(words, at, KINDS[kind], within=goes_on):
            kind, goes_on = -1, False
        if run and not goes_on:
            yield _found(words, run, current, shares)
            run = []
        if kind >= 0:
            run.append(at)
            current = kind
    if run:
        yield _found(words, run, current, shares)


def _belongs(words: Sequence[tuple[str, int, int]], at: int, kind: str, *, within: bool) -> bool:
    """Whether a word may stand in a run: no announcing word, and of marks only the usual ones."""
    word = words[at][0]
    if not within and word in _HOURS:
        return False
    goes_inside = within and (kind == "ADDRESS" or word in PARTICLES)
    if not goes_inside and _is_foreign_word(words, at):
        return False
    if word.isdigit() and not within and at > 0 and words[at - 1][0].lower() in _NUMBERED:
        return False
    if word[0].isalnum():
        return word.lower() not in (_LINKS if kind == "ADDRESS" else _ANNOUNCERS)
    initial = word == "." and at > 0 and len(words[at - 1][0]) <= _LONGEST_INITIAL
    return within and (word in _INNER_MARKS or initial or (kind == "ADDRESS" and word == ","))


def _is_foreign_word(words: Sequence[tuple[str, int, int]], at: int) -> bool:
    """Whether a word is an ordinary one elsewhere: as it stands, or at the start of a sentence."""
    word = words[at][0]
    starts = at == 0 or words[at - 1][0] in _SENTENCE_ENDS
    return len(word) > 1 and (word.lower() if starts else word) in foreign_words()


def _found(
    words: Sequence[tuple[str, int, int]], run: Sequence[int], kind: int, chances: Floats
) -> Found:
    """The span of a run, less the marks and the possessive at its end."""
    last = max(at for at in run if words[at][0][0].isalnum())
    word, _, end = words[last]
    if word.lower().endswith(("'s", "’s")):
        end -= 2
    score = float(chances[list(run), kind].max())
    return Found(words[run[0]][1], end, KINDS[kind], round(score, 4))

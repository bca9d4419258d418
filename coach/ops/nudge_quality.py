"""How good nudges are, as people get them: over real sockets, from the playbook or a model."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coach.live.client import LiveClient, rest
from rag.models import Passage
from safety.classifiers import InProcess
from safety.guardrails import WORKING_POINT

# A phone shows about so much without scrolling (docs/playbook-style.md).
MOST_CHARACTERS = 240
TURN_LIMIT_S = 6.0
ALLOWED = {"coaching": ["utterance", "recent_turns"]}
_SENTENCE = re.compile(r"[^.!?…]+[.!?…]*")
_WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True)
class Answered:
    """One utterance of the set, and the terminal frame it got."""

    relevant: Mapping[str, int]
    frame: Mapping[str, Any] = field(repr=False)


async def ask_all(rows: Sequence[Mapping[str, Any]], url: str, token: str) -> list[Answered]:
    """Say every row's words, after the turns before them, and take what comes back.

    Each by somebody new: nobody is given a passage again within six nudges, and neighbours in the
    set are about the same thing.
    """
    found = []
    async with rest(url, token) as api:
        session = await api.call("POST", "sessions/", {"title": "Evaluation", "cooldown_s": 0})
        for number, row in enumerate(rows):
            ticket = await api.join(session["join_code"], f"Person {number}", ALLOWED)
            async with LiveClient(url, ticket) as person:
                for text in (*row.get("before", ()), row["text"]):
                    turn = await person.ask(text, timeout_s=TURN_LIMIT_S)
            found.append(Answered(row["relevant"], turn.terminals[0]))
        await api.call("POST", f"sessions/{session['id']}/end/")
    return found


def figures(answered: Sequence[Answered]) -> dict[str, Any]:
    """The suite's report: outcomes, and each figure for all nudges and by their source."""
    nudges = [each for each in answered if each.frame["type"] == "nudge.done"]
    model = InProcess.load()
    cited = _passages(nudges)
    report: dict[str, Any] = {
        "utterances": len(answered),
        "outcomes": dict(Counter(each.frame["type"] for each in answered)),
        "all": _of(nudges, cited, model),
    }
    for source in sorted({each.frame["source"] for each in nudges}):
        of_source = [each for each in nudges if each.frame["source"] == source]
        report[source] = _of(of_source, cited, model)
    return report


def _of(
    nudges: Sequence[Answered], cited: Mapping[str, Passage], model: InProcess
) -> dict[str, Any]:
    texts = [each.frame["text"] for each in nudges]
    toxicity = [model.read_now(text, role="facilitator").toxicity for text in texts]
    return {
        "n": len(nudges),
        "cited": _share(bool(each.frame["citations"]) for each in nudges),
        "citation_support": _share(_is_supported(each, cited) for each in nudges),
        "faithfulness": _mean(_faithfulness(each, cited) for each in nudges),
        "relevant_source": _share(_is_relevant(each, cited) for each in nudges),
        "not_toxic": _share(score < WORKING_POINT for score in toxicity),
        "fits": _share(len(text) <= MOST_CHARACTERS for text in texts),
        "asks": _share("?" in text for text in texts),
        "one_question": _share(text.count("?") <= 1 for text in texts),
    }


def _passages(nudges: Iterable[Answered]) -> dict[str, Passage]:
    ids = {c["passage"] for each in nudges for c in each.frame["citations"]}
    rows = Passage.objects.filter(id__in=ids).select_related("entry")
    return {str(row.id): row for row in rows}


def _is_supported(each: Answered, cited: Mapping[str, Passage]) -> bool:
    """Whether every citation is of a passage that is there, and quotes words that are in it."""
    citations = each.frame["citations"]
    return bool(citations) and all(
        c["passage"] in cited and c["quote"] and c["quote"] in cited[c["passage"]].text
        for c in citations
    )


def _faithfulness(each: Answered, cited: Mapping[str, Passage]) -> float:
    """The share of its telling words that stand in the passages it cites; the worst sentence's."""
    there = {
        word
        for c in each.frame["citations"]
        if c["passage"] in cited
        for word in _words(cited[c["passage"]].text)
    }
    sentences = map(_words, _SENTENCE.findall(each.frame["text"]))
    return min((len(words & there) / len(words) for words in sentences if words), default=0.0)


def _is_relevant(each: Answered, cited: Mapping[str, Passage]) -> bool:
    """Whether it rests on an entry that people graded as fitting these words."""
    keys = {cited[c["passage"]].entry.key for c in each.frame["citations"] if c["passage"] in cited}
    return bool(keys & each.relevant.keys())


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}


def _share(found: Iterable[bool]) -> float:
    return _mean(map(float, found))


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return round(sum(known) / len(known), 4) if known else 0.0

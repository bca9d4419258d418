"""How good safety is, as plain reports: on labelled dev sets, and on our own red-team cases."""

import asyncio
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safety.classifiers import InProcess, Signals
from safety.classifiers.heads import EKMAN, EMOTIONS, SENTIMENT
from safety.classifiers.reading import DANGERS
from safety.errors import GateClosed
from safety.figures import Report, f1, macro_f1, quantile, share
from safety.gate import Protected, release
from safety.guardrails import WORKING_POINT, check_input
from safety.hostile import count_leaks
from safety.redaction import Redactor
from safety.training.augment import unpunctuated
from safety.training.corpus import Example, own, read_rows

Row = Mapping[str, Any]

_KEY = bytes(32)
_CHANGE = {"change_talk": "change", "neutral_talk": "neutral", "sustain_talk": "sustain"}
_GUIDING = {
    "open_question": "question",
    "closed_question": "question",
    "reflection": "reflection",
    "information": "therapist_input",
}
_BASIC = {
    "open_question": "Q",
    "closed_question": "Q",
    "backchannel": "B",
    "floor": "F",
    "disruption": "D",
}
_OPEN, _CLOSED = frozenset({"qw", "qo"}), frozenset({"qy", "qr", "qrr"})


def classifiers(data_dir: Path, *, most_rows: int | None = None) -> Report:
    """The signals model on every dev set, as `classify` reads it, and its times on one thread.

    `most_rows` cuts each set to its first rows, for a quick look.
    """
    model = InProcess.load()
    timer: list[float] = []

    def rows(name: str) -> list[dict[str, Any]]:
        return list(read_rows(data_dir / f"{name}.dev.jsonl.gz"))[:most_rows]

    def signals(row: Row, role: str | None = None) -> Signals:
        started = time.perf_counter()
        found = model.read_now(row["text"], previous=row.get("prev") or None, role=role)
        timer.append(1000 * (time.perf_counter() - started))
        return found

    sets: Report = {}
    annomi, mrda = rows("acts/annomi"), rows("acts/mrda")
    _acts(sets, annomi, mrda, signals)
    _ordinary(sets, [*annomi, *mrda], signals)
    _own(sets, signals)
    _emotions(sets, rows("emotion/goemotions"), signals)
    dangers: tuple[tuple[str, str, frozenset[str]], ...] = (
        ("toxicity/davidson", "toxicity", frozenset({"hate", "offensive"})),
        ("toxicity/convabuse", "toxicity", frozenset({"abusive"})),
        ("toxicity/civil", "toxicity", frozenset({"toxic"})),
        ("selfharm/ailuminate", "self_harm", frozenset({"self_harm"})),
        ("injection/injection", "injection", frozenset({"injection"})),
    )
    for name, danger, bad in dangers:
        labelled = rows(name)
        wanted = [str(not bad.isdisjoint(row["labels"])) for row in labelled]
        found = [str(getattr(signals(row), danger) >= WORKING_POINT) for row in labelled]
        sets[name] = {"n": len(wanted), "macro_f1": round(macro_f1(wanted, found), 4)}
    times = sorted(timer)
    return {
        "suite": "classifiers",
        "version": model.card.version,
        "sets": sets,
        "times_ms": {"p50": quantile(times, 0.5), "p95": quantile(times, 0.95)},
    }


def _acts(
    sets: Report,
    annomi: Sequence[Row],
    mrda: Sequence[Row],
    signals: Callable[..., Signals],
) -> None:
    for role, reading, other in (
        ("therapist", _GUIDING, "other"),
        ("client", _CHANGE, "neutral"),
    ):
        rows = [row for row in annomi if row["role"] == role]
        found = [reading.get(signals(row, role).act, other) for row in rows]
        wanted = [row["labels"][0] for row in rows]
        sets[f"acts/annomi {role}"] = {
            "n": len(rows),
            "macro_f1": round(macro_f1(wanted, found), 4),
        }
    bare = [
        {**row, "text": unpunctuated(row["text"]), "prev": unpunctuated(row["prev"])}
        for row in mrda
    ]
    acts, bare_acts = ([signals(row).act for row in each] for each in (mrda, bare))
    for name, found in (("acts/mrda", acts), ("acts/mrda without punctuation", bare_acts)):
        pairs = zip(found, mrda, strict=True)
        right = sum(_BASIC.get(act, "S") == row["basic"] for act, row in pairs)
        sets[name] = share(right, len(mrda))
    forms = [(act, _form(row)) for act, row in zip(acts, mrda, strict=True) if _form(row)]
    asked = [(act, form) for act, form in forms if act.endswith("_question")]
    sets["acts/mrda open or closed"] = {
        "n": len(asked),
        "macro_f1": round(
            macro_f1(
                [form for _, form in asked], [act.removesuffix("_question") for act, _ in asked]
            ),
            4,
        ),
    }


def _ordinary(sets: Report, rows: Sequence[Row], signals: Callable[..., Signals]) -> None:
    """Turns of interviews and meetings that the whole guard lets through, as it should."""
    policies = Counter(check_input(row["text"], signals(row)).policy for row in rows)
    sets["guard on ordinary turns"] = share(policies.pop(None, 0), len(rows)) | {
        "stopped as": dict(policies)
    }


def _own(sets: Report, signals: Callable[..., Signals]) -> None:
    """Our own sentences that training never saw, through the whole guard, by kind."""
    right: dict[str, list[bool]] = defaultdict(list)
    for example in own("dev"):
        dangers = [danger for danger in DANGERS if _holds(example, danger)]
        verdict = check_input(example.text, signals({"text": example.text}))
        wanted = dangers[0] if dangers else None
        right[example.kind].append(verdict.policy == wanted)
    for kind, each in sorted(right.items()):
        sets[f"own {kind}"] = share(sum(each), len(each))


def _holds(example: Example, danger: str) -> bool:
    target = example.targets.get(danger)
    return target is not None and bool(target.value[0])


def _form(row: Row) -> str:
    labels = set(row["labels"])
    return "open" if labels & _OPEN else "closed" if labels & _CLOSED else ""


def _emotions(sets: Report, rows: Sequence[Row], signals: Callable[..., Signals]) -> None:
    answered = []
    for row in rows:
        emotions = signals(row).emotions
        answered.append({label for label, score in emotions.items() if score >= WORKING_POINT})
    wanted = [set(row["labels"]) for row in rows]
    groups: Mapping[str, Mapping[str, Sequence[str]]] = {
        "28": {label: (label,) for label in EMOTIONS},
        "Ekman": EKMAN,
        "sentiment": SENTIMENT,
    }
    for name, parts in groups.items():
        scores = [
            f1(
                [str(not one.isdisjoint(labels)) for one in wanted],
                [str(not one.isdisjoint(labels)) for one in answered],
                "True",
            )
            for labels in parts.values()
        ]
        sets[f"emotion/goemotions {name}"] = {
            "n": len(rows),
            "macro_f1": round(statistics.fmean(scores), 4),
        }


def redteam(cases: Iterable[Row]) -> Report:
    """Our own cases by kind, with Wilson intervals; false alarms counted apart from misses.

    A case is {`id`, `kind`, `text`, `turns`?, `policy`} for the input guard (`policy` null for
    text that must pass), {`id`, `kind`, `chunks`, `passages`?, `names`?, `canaries`?,
    `prompt_lines`?, `policy`} for the output gate, or {`id`, `kind`, `text`, `names`?, `gone`,
    `kept`?} for the redactor: words that must be gone, words that must stay.
    """
    model, redactor = InProcess.load(), Redactor.load()
    by_kind: dict[str, list[bool]] = defaultdict(list)
    wrong: list[Report] = []
    attacks: list[bool] = []
    harmless: list[bool] = []
    for case in cases:
        found = _outcome(case, model, redactor)
        wanted = case.get("policy")
        right = found == wanted
        by_kind[case["kind"]].append(right)
        (harmless if wanted is None else attacks).append(right)
        if not right:
            wrong.append({"id": case["id"], "kind": case["kind"], "wanted": wanted, "found": found})
    return {
        "suite": "redteam",
        "attacks stopped for the right reason": share(sum(attacks), len(attacks)),
        "harmless let through": share(sum(harmless), len(harmless)),
        "by_kind": {kind: share(sum(one), len(one)) for kind, one in sorted(by_kind.items())},
        "wrong": wrong,
    }


def hostile_outputs(count: int = 15_480) -> Report:
    """Scripted outputs that carry a secret past the gate, and how many of them leaked any of it."""
    found = asyncio.run(count_leaks(count))
    return {
        "suite": "gate",
        "tight": share(count - len(found), count),
        "leaks": [{"kind": leak.case.kind, "disguise": leak.case.disguise} for leak in found],
    }


def _outcome(case: Row, model: InProcess, redactor: Redactor) -> str | None:
    if "chunks" in case:
        return asyncio.run(_gated(case))
    if "gone" in case:
        shown = redactor.redact(case["text"], key=_KEY, roster=case.get("names", ())).text
        leaked = any(words in shown for words in case["gone"])
        lost = any(words not in shown for words in case.get("kept", ()))
        return "leaked" if leaked else "lost" if lost else None
    signals = model.read_now(case["text"], role="participant")
    return check_input(case["text"], signals, recent=case.get("turns", ())).policy


async def _gated(case: Row) -> str | None:
    async def draft() -> AsyncIterator[str]:
        for chunk in case["chunks"]:
            yield chunk

    protected = Protected(
        names=case.get("names", ()),
        canaries=case.get("canaries", ()),
        prompt_lines=case.get("prompt_lines", ()),
    )
    try:
        async for _ in release(draft(), passages=case.get("passages", ()), protected=protected):
            pass
    except GateClosed as closed:
        return closed.reason
    return None

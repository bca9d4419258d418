"""The model card, written from the figures of the file that was exported."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safety.training.export import ATTRIBUTION


@dataclass(frozen=True)
class Outcome:
    """What a run measured on dev: figures by name, and for each danger {kind: (right, of)}."""

    exact: Mapping[str, float]
    small: Mapping[str, float]
    kinds: Mapping[str, Mapping[str, tuple[int, int]]]
    size: int
    options: str
    sittings: str


_HEAD = """\
# Model card: signals

One encoder reads an utterance once, and small heads answer from it: dialogue act, client talk,
emotion, toxicity, self-harm, prompt injection. Fine-tuned from all-MiniLM-L6-v2 (22 M parameters),
dynamic int8 per channel, {megabytes:.1f} MB. Made by `python manage.py train_signals --data DIR
--out safety/weights {options}`{sittings}; marks and capitals are dropped at random,
because live speech has neither.

**Not clinically validated.** The self-harm score calls a person and shows a card; it diagnoses
nothing, misses some, and never stands alone: local rules stand behind it. English only. Emotion is
read from text, as written words, not from a person; it is off unless a participant asks for it.

## Reading the scores

Every score is in [0, 1]. Temperatures, thresholds and the choice of checkpoint come from dev alone.
A label that stands alone holds from 0.5: each label's best dev threshold is moved there, so a
score orders texts but is not a probability of being right.

## Dev figures

Training never saw these rows; the thresholds and the checkpoint did. Expect a little less on new
text.

| set and head | exact | int8, as shipped |
| --- | --- | --- |
"""

_LIMITS = """
## Limits

- Toxicity learnt from tweets picked by slur (Davidson), abuse of chatbots (ConvAbuse) and news
  comments that someone had called toxic before (Civil). Davidson is known to be biased against
  African-American English; the neutral identity sentences above are a small check, not a cure.
- Acts learnt from acted motivational interviews and from research meetings; emotion from Reddit.
- Self-harm has few public examples under an open licence. Most positives are sentences of our own,
  by seven authors. What it hears of sentences that nothing was fitted to, of one other author
  and of one of the seven, is counted by `manage.py evaluate alarms` and told in docs/safety.md.
- Irony, quotation, song lyrics and other languages are read poorly.
- The rows by kind count our own sentences, which are few: read the counts, not the shares.

## Training data and attribution

"""


def write_card(path: Path, outcome: Outcome) -> None:
    """Write the card as Markdown."""
    head = _HEAD.format(
        megabytes=outcome.size / 1e6, options=outcome.options, sittings=outcome.sittings
    )
    rows = "".join(
        f"| {name} | {_figure(outcome.exact.get(name))} | {value:.3f} |\n"
        for name, value in outcome.small.items()
    )
    kinds = "\n## Right by kind (dev)\n\n| danger | set / kind / label | right | of |\n"
    kinds += "| --- | --- | --- | --- |\n"
    kinds += "".join(
        f"| {danger} | {kind} | {right} | {of} |\n"
        for danger, counts in outcome.kinds.items()
        for kind, (right, of) in counts.items()
    )
    sources = "".join(f"- {line}\n" for line in ATTRIBUTION)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + rows + kinds + _LIMITS + sources, encoding="utf-8")


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"

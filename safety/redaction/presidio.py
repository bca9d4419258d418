"""Presidio without what it brings along: no model, no download, none of its own patterns."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig
from presidio_anonymizer.entities import RecognizerResult as Masked
from spacy.tokens import Doc
from spacy.vocab import Vocab

from safety.redaction.spans import Finder, Found

LANGUAGE = "en"
_SPANS_A_PIECE = 64


def analyzer(finders: Mapping[str, Finder], before_each: Callable[[], None]) -> AnalyzerEngine:
    """An analyzer that runs these finders, each after `before_each`; an error ends the call."""
    registry = RecognizerRegistry(
        recognizers=[FinderRecognizer(type_, find, before_each) for type_, find in finders.items()],
        supported_languages=[LANGUAGE],
    )
    return AnalyzerEngine(
        registry=registry,
        nlp_engine=NoModel(),
        supported_languages=[LANGUAGE],
        context_aware_enhancer=NoContext(),
    )


def anonymizer() -> AnonymizerEngine:
    """Presidio's replacing engine."""
    return AnonymizerEngine()  # type: ignore[no-untyped-call]


def replace(
    engine: AnonymizerEngine, text: str, spans: Sequence[Found], marks: Sequence[str]
) -> str:
    """The text with each span replaced by its mark; spans are in order and must not overlap."""
    shown: list[str] = []
    at = 0
    # Presidio copies the whole text for each span: in pieces of a few it takes linear time.
    for first in range(0, len(spans), _SPANS_A_PIECE):
        some = spans[first : first + _SPANS_A_PIECE]
        shown.append(
            _replaced(engine, text[at : some[-1].end], at, some, marks[first : first + len(some)])
        )
        at = some[-1].end
    return "".join([*shown, text[at:]])


def _replaced(
    engine: AnonymizerEngine, text: str, begin: int, spans: Sequence[Found], marks: Sequence[str]
) -> str:
    # The mark is the entity type: Presidio unites neighbours of one type, and two people are two.
    results = [
        Masked(mark, span.start - begin, span.end - begin, span.score)
        for span, mark in zip(spans, marks, strict=True)
    ]
    operators = {mark: OperatorConfig("replace", {"new_value": mark}) for mark in marks}
    shown: str = engine.anonymize(text, results, operators, merge_entities_with_spaces=False).text
    return shown


class FinderRecognizer(EntityRecognizer):
    """A finder in Presidio's clothes."""

    def __init__(self, type_: str, find: Finder, before: Callable[[], None]) -> None:
        self._find, self._before = find, before
        super().__init__(supported_entities=[type_], name=f"{type_.lower()} finder")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """What the finder finds, as Presidio's results."""
        del entities, nlp_artifacts
        self._before()
        return [
            RecognizerResult(one.type, one.start, one.end, one.score) for one in self._find(text)
        ]


class NoContext(ContextAwareEnhancer):
    """Scores stay as they are: our finders look at the words around them on their own."""

    def __init__(self) -> None:
        super().__init__(0.0, 0.0, 0, 0)

    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,
        recognizers: list[EntityRecognizer],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        """The results as they came."""
        del text, nlp_artifacts, recognizers, context
        return raw_results


class NoModel(NlpEngine):
    """An engine that reads nothing; without one Presidio would fetch a spaCy model."""

    def __init__(self) -> None:
        self._doc = Doc(Vocab())

    def load(self) -> None:
        """Nothing to load."""

    def is_loaded(self) -> bool:
        """Always."""
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """No tokens, no entities: no finder of ours asks for them."""
        del text
        return NlpArtifacts([], self._doc, [], [], self, language)

    def process_batch(
        self,
        texts: Iterable[str],
        language: str,
        batch_size: int = 1,
        n_process: int = 1,
        **kwargs: Any,
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        """Each text with no artifacts."""
        del batch_size, n_process, kwargs
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        """No list of words is loaded."""
        del word, language
        return False

    def is_punct(self, word: str, language: str) -> bool:
        """No model is loaded."""
        del word, language
        return False

    def get_supported_entities(self) -> list[str]:
        """None of its own."""
        return []

    def get_supported_languages(self) -> list[str]:
        """The one our analyzer asks for."""
        return [LANGUAGE]

"""A rough guess at a short text's language, from its commonest words and its script."""

import re
import unicodedata

# Words that are frequent in one of these languages and rare or absent in the others.
_FREQUENT = {
    "en": """
        the and you your what is are was would could to of with that this how it for when one do
        have has be in on a an might can who which there from about my me we they not if i
    """,
    "de": """
        der das und ist nicht ein eine einen mit sich auf für dem den zu was wie würde könnte
        sie ihr ihnen wenn auch noch dir dein deine von bei ich du wir
    """,
    "fr": """
        le les et est une des vous votre que qui dans pour pas avec ce cette sur quoi comment il
        elle sont plus du au je tu nous êtes peut
    """,
    "es": """
        el los las y es una un que por para con su cómo qué usted está son más del al le lo pero
        como se tu yo nos
    """,
    "it": """
        il gli e è una che per con cosa come non di della nel sono più lei suo questo quale ti
        tuo ma io noi
    """,
    "pt": """
        os as e é uma que para com não como você seu sua mais do da em no na isso o um eu nós
        está
    """,
    "nl": """
        de het een en is van dat niet met voor wat hoe je jij jouw zou kunnen ook op te aan zijn
        wij
    """,
    "pl": """
        i w nie to się na jest że co jak z do czy ty twój może ale dla o jego
    """,
    "tr": """
        ve bir bu ne için ile mi sen çok daha gibi değil var nasıl olan ben
    """,
}
_WORDS = {language: frozenset(words.split()) for language, words in _FREQUENT.items()}
# Frequent in another language than English; in lower case none of them is a name.
FOREIGN_WORDS = frozenset().union(*(_WORDS[one] for one in _WORDS if one != "en")) - _WORDS["en"]
_LEAST_WORDS = 5
_LEAST_HITS = 2


def guess_language(text: str) -> str | None:
    """The language code, or None for too little text or no clear lead."""
    words = re.findall(r"[^\W\d_]+", text.casefold())
    if len(words) < _LEAST_WORDS:
        return None
    hits = {language: sum(word in known for word in words) for language, known in _WORDS.items()}
    best, second = sorted(hits.values(), reverse=True)[:2]
    if best < _LEAST_HITS or best == second or best / len(words) < 0.15:
        return None
    return max(hits, key=hits.__getitem__)


def other_script(text: str, language: str) -> bool:
    """Whether three or more letters, and a tenth of all, are of a script the language has not.

    All languages guessed here are written in Latin letters; `language` names the expected one.
    """
    if language not in _WORDS:
        return False
    letters = [char for char in text if char.isalpha()]
    foreign = sum(not unicodedata.name(char, "").startswith("LATIN") for char in letters)
    return foreign >= 3 and foreign * 10 >= len(letters)

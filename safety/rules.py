"""Local rules behind the classifiers: what a danger sounds like, and what only sounds like it.

Not clinically validated. Every pattern is bounded, so a text is read in linear time. A rule finds
the plain forms in any engine's absence; the classifier is there for what no rule foresees.
"""

import re
from collections.abc import Sequence

from safety.distress import NOT_SELF_HARM, SELF_HARM

VIOLENCE = (
    (
        r"\b(?:i'?m\s+going\s+to|i\s+will|i'?ll|i\s+want\s+to|gonna|i\s+could)\s+(?:kill"
        r"|murder|stab|shoot|strangle|beat\s+up|beat|hurt|attack)\s+(?:him|her|them|you"
        r"|someone|somebody|everyone|everybody|my\s+\w+|this\s+guy|that\s+\w+)\b"
    ),
    (
        r"\b(?:bring(?:ing)?|brought|buy(?:ing)?|bought|got|have|taking|take)\s+(?:a|my"
        r"|the)\s+(?:gun|knife|pistol|rifle|weapon|machete)\s+(?:to|into|tomorrow|with\s+me"
        r"|and\s+(?:he|she|they|i)|for\s+(?:him|her|them))\b"
    ),
    (
        r"\b(?:shoot|blow)\s+(?:up\s+)?(?:the|this|my)\s+(?:school|office|building|place"
        r"|company|church|mosque|synagogue)\b"
    ),
    r"\b(?:build|make|making|building)\s+(?:a|an)\s+(?:pipe\s+)?(?:bomb|explosive)\b",
    (
        r"\b(?:he|she|they|you)(?:'ll|\s+will)\s+(?:pay\s+for\s+(?:it|this)\s+with"
        r"|regret\s+ever|not\s+(?:live|survive|see\s+tomorrow))"
    ),
    r"\bbreak\s+(?:his|her|your|their)\s+(?:neck|legs?|arms?|bones|jaw)\b",
    r"\b(?:punch|smash|kick)\s+(?:him|her|you|them)\s+(?:in|on)\s+the\s+(?:face|head|mouth)\b",
    r"\bi\s+know\s+where\s+(?:you|he|she|they)\s+lives?\b",
    (
        r"\b(?:hit|hits|beats?|beat|chok(?:es|ed)|punche[sd]|threaten(?:s"
        r"|ed))\s+me\b(?!\s+(?:to|at|by|in|that|like|hard|up\s+about"
        r"|with\s+(?!(?:his|her|their|a|the)\s+(?:fists?|hands?|belt|stick|bottle|knife"
        r"|gun|weapon)\b))\b)"
    ),
    (
        r"\bich\s+(?:bringe|werde)\s+(?:ihn|sie|dich|euch)\s+um(?:bringen)?\b"
        r"|\bje\s+vais\s+(?:le|la|te|les)\s+tuer\b|\b(?:lo|la|te|los)\s+voy\s+a\s+matar\b"
    ),
)
NOT_VIOLENCE = (
    (
        r"\b(?:kill|murder|beat|shoot|strangle|hurt)\s+(?:them|him|her|you|everyone"
        r"|someone)\s+(?:with\s+kindness|at\s+(?:chess|tennis|cards|golf|ping\s?pong"
        r"|their\s+own\s+game)|an?\s+(?:mail|e-?mail|message|note|text)|to\s+it"
        r"|in\s+(?:the\s+)?(?:game|chess|quiz|race))"
    ),
    r"\b(?:could|would|will)\s+(?:kill|murder)\s+(?:me|you|him|her|them)\s+(?:for|if|when)\b",
    (
        r"\bhurt\s+(?:my|his|her|their|your|anyone'?s|somebody'?s|someone'?s)\s+(?:feelings"
        r"|back|knee|leg|arm|wrist|ankle|shoulder|chances|career|pride|team'?s?\s+feelings)\b"
    ),
    (
        r"\bdo(?:n'?t|\s+not)\s+want\s+to\s+hurt\b|\bwithout\s+hurting\b|\bnot\s+(?:going\s+to"
        r"|want\s+to)\s+hurt\b|\bi'?ll\s+hurt\s+(?:him|her|them|someone|somebody)\s+(?:if|when"
        r"|by|with)\s+(?:i|my)\b"
    ),
    (
        r"\b(?:beat|shoot)\s+(?:my|the)\s+(?:record|deadline|time|best|score|video|photo|film"
        r"|target|competition)\b|\bi\s+want\s+to\s+beat\s+(?:my|him|her|them|you)\s+(?:own|at"
        r"|to|in|record)"
    ),
    r"\bbreak\s+(?:a|my|your)\s+legs?\b[!.]?\s*(?:out\s+there|tomorrow|on\s+stage)",
)

_FORGET = (
    r"(?:ignore|disregard|forget|override|overrule|bypass|skip|drop|neglect|cancel|erase"
    r"|discard|set\s+aside)"
)
_ALL = (
    r"(?:\s+(?:all|any|every|everything|each|of|the|these|those|your|my|our|previous|prior"
    r"|earlier|above|preceding|former|initial|original|existing|current|other|past|old|safety"
    r"|system|hidden|what|that|came|was|said|and|following|configured|developer'?s?"
    r"|coach'?s?)){1,7}"
)
_ORDERS = (
    r"(?:instructions?|directions?|prompts?|rules|guidelines?|guidance|guardrails?|directives?"
    r"|commands?|orders|context|polic(?:y|ies)|programming|restrictions?|constraints?"
    r"|safeguards?|filters?|settings?|training)"
)
_HIDDEN = (
    r"(?:(?:system|hidden|initial|original|secret|internal|developer|starting|setup|full|exact"
    r"|confidential|base|first)\s+){1,3}(?:prompts?|instructions?|messages?|rules|guidelines"
    r"|context|configuration|config|settings?|text|directives?|policy)"
)
_TELL = (
    r"(?:print|show|reveal|repeat|output|display|tell|give|write|leak|share|expose|dump|quote"
    r"|recite|read|list|return|send|translate|encode|summari[sz]e|spell|say|copy|paste"
    r"|disclose|describe|provide)"
)
INJECTION = (
    rf"\b{_FORGET}{_ALL}\s+{_ORDERS}\b(?!\s+(?:my|his|her|their|our)\b)",
    (
        rf"\b{_FORGET}\s+(?:all|everything|anything)\s+(?:(?:that\s+)?(?:came|was|is|were)\s+"
        rf"|you\s+(?:were|have\s+been|got)\s+)?(?:above|before\s+this|previously|told"
        rf"|said\s+so\s+far|up\s+to\s+now)\b"
    ),
    rf"\b{_FORGET}\s+(?:the\s+)?(?:above|playbook|aforementioned)\b",
    rf"\b{_TELL}\b(?:\s+\w+){{0,6}}?\s+(?:your|the|its)\s+{_HIDDEN}",
    rf"\b(?:what|which)\s+(?:is|are|was|were|does|do)\s+(?:your|the)\s+{_HIDDEN}",
    (
        rf"\b{_TELL}\s+(?:me\s+|us\s+)?(?:all\s+)?(?:of\s+)?your\s+(?:prompt|instructions"
        rf"|rules|guidelines|configuration|directives)\b(?!\s+(?:for|to)\s+(?:the"
        rf"|this)\s+(?:exercise|game|workshop|round))"
    ),
    (
        r"\brepeat\s+(?:everything|all|the\s+(?:words|text|lines?"
        r"|sentences?))(?:\s+\w+){0,3}?\s+(?:above|before|verbatim|preceding)\b"
    ),
    (
        r"\byou\s+are\s+(?:now|no\s+longer|from\s+now\s+on)\s+(?:a\s+|an\s+|the\s+|my\s+|in\s+"
        r"|called\s+|bound\s+|limited\s+|restricted\s+)?(?:dan\b|evil|unrestricted|unfiltered"
        r"|uncensored|jailbroken|free|developer\s+mode|bound|restricted|limited|another"
        r"|different|hacker|coach|assistant|ai\b|bot\b|model|root|admin)"
    ),
    (
        r"\b(?:act|pretend|behave|respond|answer|roleplay|role-play|talk"
        r"|speak)\s+(?:as\s+(?:if|though)|like|to\s+be|as)\s+(?:you\s+(?:have|had|are"
        r"|were)\s+)?(?:an?\s+|the\s+)?(?:no\s+(?:rules|filters?|restrictions?|guidelines"
        r"|limits)|without\s+(?:any\s+)?(?:rules|filters?|restrictions?|guidelines|limits)"
        r"|unrestricted|unfiltered|uncensored|jailbroken|freed|dan\b|evil\s+(?:ai|twin"
        r"|assistant)|ai\s+(?:without|that\s+has\s+(?:no|escaped))|raw\s+model)"
    ),
    (
        r"\b(?:without|no|free\s+of|lift(?:ed)?|remove|disable|turn\s+off|deactivate"
        r"|switch\s+off)\s+(?:any\s+|all\s+|your\s+|the\s+)*(?:restrictions?|filters?"
        r"|guardrails?|content\s+polic(?:y|ies)|safety\s+(?:settings?|filters?|rules|measures)"
        r"|ethical\s+(?:guidelines|limits)|limitations?)\b(?=.{0,80}\b(?:answer|respond|reply"
        r"|assistant|ai|bot|model|mode|you|continue|comply|prompt)\b|[.!]?\s*$)"
    ),
    (
        r"\b(?:developer|debug|god|jailbreak|dan|admin(?:istrator)?|root|maintenance|sudo"
        r"|opposite|unrestricted)\s+mode\s+(?:on|enabled|activated|unlocked)\b|\b(?:enter"
        r"|enable|activate|switch\s+(?:in)?to|you\s+are\s+in"
        r"|go\s+into)\s+(?:the\s+)?(?:developer|debug|god|jailbreak|dan|unrestricted|sudo"
        r"|opposite)\s+mode\b"
    ),
    (
        r"\bdo\s+anything\s+now\b|\bjailbr(?:eak|oken)\s+(?:yourself|the\s+(?:ai|model"
        r"|assistant)|prompt)"
    ),
    (
        r"(?:^|\n|[.!?\"\]]\s)\s*(?:#+\s*)?(?:\[|<|\()?\s*(?:system|assistant"
        r"|developer)\s*(?:\]|>|\))?\s*(?::|\bmessage\s*:|override\b|\boverride\s*:)\s*\S"
    ),
    (
        r"<\|(?:im_start|im_end|system|endoftext|user|assistant)\|>|\[/?INST\]|<</?SYS>>"
        r"|</?(?:system|instructions?)>|\[/?(?:system|inst)\]"
    ),
    (
        r"\b(?:note|message|instructions?|attention|important|notice)\s*(?:to|for)\s*(?:the"
        r"|any|all|an)?\s*(?:ai|assistant|model|chatbot|chat\s?bot|bot|llm|language\s+models?"
        r"|ai\s+systems?|agents?)\b"
    ),
    (
        r"\b(?:ai|assistant|model|chatbot|llm|language\s+model|bot)s?\b[^.!?\n]{0,60}\b(?:must"
        r"|should|has\s+to|have\s+to|needs?\s+to|shall)\s+(?:ignore|disregard|obey|reveal"
        r"|output|reply\s+only|state\s+that|tell\s+the\s+user|not\s+mention"
        r"|include\s+the\s+(?:phrase|link|text))\b"
    ),
    r"\bif\s+you\s+(?:are|'re)\s+(?:an?\s+)?(?:ai|language\s+model|llm|chatbot|assistant|bot)\b",
    (
        r"\b(?:mark|set|record|treat|register)\s+(?:my\s+|the\s+|all\s+)?consents?\s+(?:as"
        r"|to)\s+(?:granted|given|true|yes)\b|\bconsent\s+(?:is"
        r"|has\s+been)\s+(?:hereby\s+)?granted\s+for\s+(?:all|every)"
    ),
    (
        r"\b(?:give|send|show|tell|print|list)\s+(?:me\s+)?(?:the\s+|all\s+"
        r"|every\s+)*(?:api\s+keys?|access\s+tokens?|passwords?|credentials|secrets?\s+(?:key"
        r"|token)|other\s+participants'?|participants'?\s+(?:names?|notes|e-?mails?|data)"
        r"|private\s+notes)\b"
    ),
    (
        r"\byou\s+must\s+(?:obey|comply|do\s+(?:exactly\s+)?(?:what|as)\s+i\s+say)\b"
        r"|\bnew\s+(?:system\s+)?(?:instructions?|policy|rules)\s*:\s*(?:reply|output|ignore"
        r"|you|answer|say|respond|tell|act|from)"
    ),
    (
        r"\b(?:reply|respond|answer|output|say)\s+(?:only\s+|exactly\s+"
        r"|just\s+)(?:with\s+)?(?:the\s+(?:word|words|phrase|text|exact)|this\b"
        r"|[\"'])(?!\s+(?:you|one)\b)"
    ),
    (
        r"\byou\s+(?:are|have\s+been|were)\s+(?:hereby\s+"
        r"|now\s+)?(?:an?\s+)?(?:unrestricted|unfiltered|uncensored|freed\s+from"
        r"|released\s+from|unlocked)\b|\b(?:unlock|unchain|unshackle)\s+your\s?self\b"
    ),
    (
        r"\b(?:pretend|imagine|suppose|assume|hypothetically|say)\b.{0,30}\b(?:there\s+are"
        r"|you\s+(?:have|had))\s+no\s+(?:rules|restrictions|filters?|limits|guidelines"
        r"|policy)\b"
    ),
    (
        r"\bstop\s+being\s+(?:a\s+|an\s+|my\s+|the\s+)?(?:coach|assistant|bot|ai|so\s+safe)\b"
        r"|\b(?:don'?t|do\s+not|stop|no\s+longer|never)\s+follow(?:ing)?\s+(?:the\s+playbook"
        r"|your\s+(?:rules|instructions|guidelines|programming))\b"
    ),
    (
        rf"\b(?:what|all|everything)\s+(?:that\s+)?you\s+were\s+told\s+before\b"
        rf"|\b{_TELL}\b.{{0,20}}\bother\s+participants?\b|\b(?:every|all"
        rf"|other)\s+participants?'s?\s+(?:e-?mail|names?|notes|data|phone)"
    ),
    (
        rf"\b{_TELL}\s+(?:down\s+"
        rf"|out\s+)?(?:me\s+)?(?:all\s+)?(?:of\s+)?your\s+(?:own\s+)?(?:rules|instructions"
        rf"|guidelines|prompt)\b|\b(?:text|words?|content)\s+of\s+your\s+(?:(?:first|initial"
        rf"|own)\s+)?(?:instructions?|prompt|rules)\b"
        rf"|\bwords\s+of\s+your\s+first\s+instruction\b"
    ),
    (
        r"\b(?:the|your)\s+(?:rules|restrictions|limits|guidelines|filters?)\s+(?:don'?t"
        r"|do\s+not|no\s+longer|were|are|have\s+been)\s+(?:apply|lifted|removed|suspended"
        r"|disabled)\b|\bdon'?t\s+apply\s+your\s+(?:content\s+)?polic"
    ),
    (
        r"\b(?:complete|finish|continue)\s+(?:the|this|my|following"
        r"|the\s+following)\s+(?:sentence|line"
        r"|text)?\s*(?:with\s+your\s+(?:own\s+)?rules)?\s*:?\s*[\"']?(?:my\s+instructions\s+are"
        r"|i\s+was\s+(?:told|instructed)|the\s+system\s+prompt|i\s+must\s+never)"
    ),
    (
        r"\breset\s+your\s+memory\b|\b(?:simulate|emulate"
        r"|act\s+as)\s+an?\s+(?:linux\s+)?(?:terminal|shell|console)\b|\bfor\s+(?:each"
        r"|every)\s+rule\s+you\s+break\b|\bi\s+(?:hereby\s+)?authori[sz]e\s+you\s+to\b"
        r"|\byou\s+may\s+ignore\s+your\b"
    ),
    (
        r"\b(?:begin|start)\s+(?:each|every|your)\s+(?:answer|reply|response|message)\s+with\b"
        r"|\b(?:language\s+model|ai|assistant|chatbot|bot)\s+(?:without|with\s+no"
        r"|that\s+has\s+no)\s+(?:any\s+)?(?:filters?|rules|restrictions|limits)\b"
    ),
    (
        r"\b(?:facilitator|admin(?:istrator)?|user)'?s?\s+(?:access\s+)?(?:token|password"
        r"|credentials)\b|\b(?:call|invoke|use|run)\s+the\s+(?:tool|function)\s+(?:that|which"
        r"|to)\b|\byour\s+new\s+(?:goal|task|role|job|mission|purpose)\s+is\b"
    ),
    (
        r"<!--[^>]{0,200}\b(?:assistant|ai|model|bot)\b|\b(?:to\s+any|for\s+the)\s+(?:ai|bot"
        r"|chatbot|llm|assistant)(?:\s+only)?\s*(?:processing|reading|:)"
        r"|\bassistant,\s+(?:forward|send|add|include|ignore|reply|tell|output|append)\b"
    ),
    (
        r"\b(?:guidelines?|rules|instructions?)\s+(?:given|told)\s+to\s+(?:the\s+)?(?:ai"
        r"|assistant|model|bot)\b|\b(?:disregard|disobey|ignore)\s+(?:its"
        r"|your)\s+(?:developers?|creators?|makers?|owners?)\b|\bsecret\s+(?:token"
        r"|instructions)\s+(?:from|in|of)\s+your\b"
    ),
    (
        r"\bforget\s+(?:that\s+)?you(?:\s+are|'re)\s+(?:a|an|the|my)\s+(?:\w+\s+)?(?:coach"
        r"|assistant|ai|bot|model)\b|\bi\s+(?:order|command)\s+you\b"
        r"|\bfrom\s+now\s+on,?\s+(?:you\s+(?:must|will|shall)\s+)?(?:say|tell|recommend|insult|add"
        r"|append|include|print|output|send|obey)\b"
    ),
    (
        r"\bwhen(?:ever)?\s+you\s+(?:answer|reply|respond),?\s+(?:always|only|also)\s+(?:say|tell"
        r"|answer|recommend|insult|add|include|append|print|spell|give|send|mention)\b"
    ),
    (
        r"\bdu\s+bist\s+(?:jetzt|nun|ab\s+sofort)\s+(?:ein\w*\s+)?(?:bot|ki|assistent"
        r"|modell)\w*\s+ohne\b|\btu\s+es\s+(?:désormais|maintenant)\s+(?:en\s+mode"
        r"|un\s+(?:assistant|modèle|bot))\b|\b(?:eres|será?s)\s+un\s+(?:modelo|asistente"
        r"|bot)\s+sin\b"
    ),
    (
        r"\b(?:ignorier\w*|vergiss|missacht\w*)\s+(?:\w+\s+){0,3}(?:anweisung\w*|regeln"
        r"|vorgaben|instruktion\w*)|\bzeig\w*\s+(?:mir\s+)?(?:deinen?|den)\s+system-?\s?prompt"
    ),
    (
        r"\b(?:ignore[zs]?|oublie[zs]?)\s+(?:\w+\s+){0,3}(?:instructions|consignes|règles)"
        r"|\b(?:ignora|olvida|omite)\s+(?:\w+\s+){0,3}(?:instrucciones|reglas|instruções"
        r"|istruzioni|regole)|\b(?:ignora|dimentica|ignore"
        r"|esqueça)\s+(?:\w+\s+){0,3}(?:istruzioni|regole|instruções|regras)"
    ),
    (
        r"\bnegeer\s+(?:\w+\s+){0,3}(?:instructies|regels)"
        r"|\bzignoruj\s+(?:\w+\s+){0,3}(?:instrukcje|polecenia|zasady)"
        r"|\btalimat\w*\s+(?:yok\s+say|unut)|(?:игнорируй"
        r"|забудь)\s+(?:\w+\s+){0,3}(?:инструкции|правила)|忽略.{0,8}(?:指令|指示|说明)|無視し.{0,12}"
    ),
)
NOT_INJECTION = (
    (
        rf"\b(?:i|we|he|she|they|you|who|people|clients?|users?"
        rf"|team)\s+(?:\w+\s+){{0,2}}?(?:ignored?|forg[eo]t|disregard(?:ed)?|bypass(?:ed)?"
        rf"|skip(?:ped)?|drop(?:ped)?|overr[iu]de)\s+(?:\w+\s+){{0,5}}?{_ORDERS}"
    ),
    r"\btold\s+(?:me|us|him|her|them)\s+to\s+(?:ignore|forget|disregard|skip|bypass)\b",
    (
        r"\b(?:show|give|tell)\s+(?:me|us)\s+the\s+(?:full|first|exact|original)\s+(?:text"
        r"|message|instructions?|rules)\s+(?:of|for|from|in)\b"
    ),
)

OFF_TOPIC = (
    (
        r"\b(?:what'?s|what\s+is|how\s+is|how'?s|tell\s+me)\s+the\s+(?:weather|temperature"
        r"|forecast)\b|\bwill\s+it\s+rain\b"
    ),
    (
        r"(?:^|[.!?]\s+|\b(?:can|could|would|will)\s+you\s+|\bplease\s+|\bhelp\s+me\s+)"
        r"(?:write|generate|fix|debug|refactor|translate|solve|compute|calculate"
        r"|convert)\s+(?:me\s+|this\s+|the\s+|a\s+|an\s+|my\s+|some\s+)*(?:python|javascript"
        r"|java|sql|html|css|c\+\+|bash|regex|code|function|script|program|equation|integral"
        r"|homework|essay|haiku|poem|limerick|song|lyrics|rap|screenplay|blog\s+post"
        r"|product\s+description|sonnet)\b"
    ),
    (
        r"\b(?:who|which\s+team)\s+(?:won|is\s+winning|will\s+win)\s+(?:the\s+)?(?:match|game"
        r"|election|world\s+cup|super\s+bowl|league|race|oscar|championship)\b|\b(?:football"
        r"|soccer|basketball|cricket|stock|bitcoin|crypto)\s+(?:scores?|results?|prices?)\b"
    ),
    (
        r"\b(?:capital\s+(?:city\s+)?of|population\s+of|square\s+root\s+of|distance\s+(?:from"
        r"|between)\s+.{2,40}\s+(?:to|and)|boiling\s+point\s+of"
        r"|president\s+of\s+(?:the\s+)?\w+\s*\?|how\s+tall\s+is|who\s+invented"
        r"|when\s+was\s+.{2,40}\s+(?:built|invented|founded))\b"
    ),
    (
        r"\b(?:recipe\s+for|how\s+(?:do\s+i|to)\s+(?:cook|bake|boil|fry)"
        r"|recommend\s+(?:me\s+)?a\s+(?:movie|film|restaurant|phone|laptop|car|tv\s+show"
        r"|hotel)|best\s+(?:restaurant|hotel|phone|laptop|pizza)s?\s+in)\b"
    ),
    (
        r"\b(?:should\s+i\s+(?:buy|invest\s+in|sell)\s+(?:bitcoin|crypto|stocks?|shares|gold"
        r"|tesla|\w+\s+stock)|lottery\s+numbers|horoscope|book\s+(?:me\s+)?a\s+(?:flight|hotel"
        r"|table|taxi)|order\s+(?:me\s+)?(?:a\s+)?pizza|set\s+(?:a|an)\s+(?:alarm|timer)"
        r"|play\s+some\s+music)\b"
    ),
    (
        r"\b(?:diagnose\s+my|what\s+dose|dosage\s+of|prescribe\s+me|is\s+this\s+(?:rash|mole"
        r"|lump)|which\s+antibiotic|draft\s+(?:a|my)\s+(?:will|lawsuit|contract)"
        r"|sue\s+my\s+landlord|file\s+my\s+taxes)\b"
    ),
)


def _compiled(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


_FINDERS = {
    name: (_compiled(found), _compiled(excused) if excused else None)
    for name, found, excused in (
        ("self_harm", SELF_HARM, NOT_SELF_HARM),
        ("violence", VIOLENCE, NOT_VIOLENCE),
        ("injection", INJECTION, NOT_INJECTION),
        ("off_topic", OFF_TOPIC, ()),
    )
}


def matches(danger: str, text: str) -> bool:
    """Whether a rule of a danger holds in a text once what only sounds like it is taken out."""
    found, excused = _FINDERS[danger]
    plain = text.replace("’", "'")
    if excused is not None:
        plain = excused.sub(" ; ", plain)
    return found.search(plain) is not None

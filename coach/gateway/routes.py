"""What the gateway knows of one model at one address."""

import math
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

STALL_MS = 400
FIRST_MS = 400
MAX_TOKENS = 160


class Role(TextChoices):
    NUDGE = "nudge", _("nudge")
    REASONING = "reasoning", _("reflection and summary")
    STRUCTURED = "structured", _("structured data")
    SAFETY = "safety", _("safety")


class Tier(TextChoices):
    ULTRA_LIGHT = "ultra_light", _("ultra-light")
    LIGHT = "light", _("light")
    MEDIUM = "medium", _("medium")
    HEAVY = "heavy", _("heavy")

    @property
    def rank(self) -> int:
        """0 for the lightest."""
        return list(Tier).index(self)


class Stage(TextChoices):
    """A route's life. Only production and deprecated routes answer people by themselves."""

    DISCOVERY = "discovery", _("discovery")
    TESTING = "testing", _("testing")
    SHADOW = "shadow", _("staging or shadow")
    PRODUCTION = "production", _("production")
    DEPRECATED = "deprecated", _("deprecated: last resort")
    RETIRED = "retired", _("retired")


class Engine(TextChoices):
    COMPATIBLE = "compatible", _("anything OpenAI-compatible")
    VLLM = "vllm", _("vLLM")


@dataclass(frozen=True)
class Route:
    """One model at one address, with what it can do, costs and may be asked for.

    Prices are currency units per million tokens, which makes them millionths per token. Zero
    tokens or requests a minute mean no limit, zero `hedge_ms` no hedge. `least_confidence` is a
    mean log-probability; an answer below it is asked for again from a heavier route.
    """

    name: str
    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    roles: frozenset[str] = frozenset({Role.NUDGE, Role.REASONING})
    tier: Tier = Tier.LIGHT
    stage: Stage = Stage.PRODUCTION
    order: int = 0
    engine: Engine = Engine.COMPATIBLE
    structured: bool = True
    logprobs: bool = False
    languages: frozenset[str] = frozenset()
    context_tokens: int = 8192
    max_tokens: int = MAX_TOKENS
    tokenizer: str = ""
    price_in: Decimal = Decimal(0)
    price_out: Decimal = Decimal(0)
    tokens_per_minute: int = 0
    requests_per_minute: int = 0
    first_ms: int = FIRST_MS
    stall_ms: int = STALL_MS
    hedge_ms: int = 0
    least_confidence: float | None = None

    def cost_micros(self, tokens_in: int, tokens_out: int) -> int:
        """Millionths of the currency unit, rounded up."""
        return math.ceil(tokens_in * self.price_in + tokens_out * self.price_out)

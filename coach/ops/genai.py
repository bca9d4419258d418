"""Calls to models as traces and metrics tell them: the one place that knows the GenAI names.

OpenTelemetry's conventions for generative AI are still in development; when a name changes there,
it changes here. None of those that carry words (`gen_ai.input.messages` and its like) is used.
"""

from typing import TYPE_CHECKING

from coach.ops import metrics, tenants, tracing

if TYPE_CHECKING:
    from coach.gateway.draft import Call

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
RESPONSE_FINISH = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
FIRST_CHUNK_S = "gen_ai.response.time_to_first_chunk"


def began(call: "Call") -> tracing.Span:
    """The span of a call that is about to be made."""
    route = call.attempt.route
    return tracing.begin_part(
        "chat",
        {
            OPERATION: "chat",
            PROVIDER: route.engine.value,
            REQUEST_MODEL: route.model,
            REQUEST_MAX_TOKENS: route.max_tokens,
            "sidecoach.route": route.name,
            "sidecoach.tier": route.tier.value,
            "sidecoach.arm": call.arm or None,
            "sidecoach.shadow": call.shadow,
        },
    )


def ended(call: "Call", span: tracing.Span) -> None:
    """Count a call that is over, and end its span."""
    attempt, route = call.attempt, call.attempt.route
    tokens_in = attempt.tokens_in if attempt.answered else 0
    first_ms = attempt.first_token_ms
    span.tell(
        {
            INPUT_TOKENS: tokens_in,
            OUTPUT_TOKENS: attempt.tokens_out,
            RESPONSE_FINISH: attempt.finished or None,
            FIRST_CHUNK_S: first_ms / 1000 if first_ms is not None else None,
            "sidecoach.outcome": call.outcome,
        }
    )
    span.end()
    metrics.MODEL_CALLS.labels(route.name, route.tier.value, call.outcome).inc()
    metrics.MODEL_TOKENS.labels(route.name, "in").inc(tokens_in)
    metrics.MODEL_TOKENS.labels(route.name, "out").inc(attempt.tokens_out)
    cost = route.cost_micros(tokens_in, attempt.tokens_out) / 1e6
    metrics.MODEL_COST.labels(route.name, tenants.name_of(call.ask.organisation)).inc(cost)

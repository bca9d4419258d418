"""Prometheus metrics: bounded labels, no words. Names and buckets live here alone.

A label is a stage, a route, a reason of our own code's or an organisation's short name. Every
bound that `deploy/objectives.yaml` speaks of is a bucket's edge, so that it is counted exactly.
"""

from prometheus_client import Counter, Gauge, Histogram

MS = (
    1, 2, 5, 10, 20, 30, 50, 80, 100, 120, 150, 200, 250, 300, 400, 500, 650, 800, 1000, 1200,
    1500, 2000, 3000,
)  # fmt: skip
FEW_MS = (50, 100, 200, 400, 650, 800, 1000, 1500, 3000)

STAGE = Histogram(
    "sidecoach_stage_ms", "Milliseconds of one stage of a road", ["stage"], buckets=MS
)
TERMINAL = Histogram(
    "sidecoach_terminal_ms", "Frame to terminal event, milliseconds", ["outcome"], buckets=MS
)
FIRST_WORDS = Histogram(
    "sidecoach_first_words_ms", "Frame to first released clause, milliseconds", ["source"],
    buckets=MS,
)  # fmt: skip
TENANT_NUDGE = Histogram(
    "sidecoach_tenant_nudge_ms", "Frame to nudge, milliseconds, by organisation", ["tenant"],
    buckets=FEW_MS,
)  # fmt: skip
HEADS = Histogram(
    "sidecoach_heads_ms", "One reading of all heads, milliseconds", ["device"], buckets=MS
)
ROUTING = Histogram(
    "sidecoach_routing_ms", "Choosing a route and reserving its cost, milliseconds", buckets=MS
)
HTTP = Histogram(
    "sidecoach_http_ms", "HTTP requests, milliseconds", ["view", "status"], buckets=FEW_MS
)
OUTCOMES = Counter(
    "sidecoach_utterances", "Utterances by terminal event", ["outcome", "reason", "tenant"]
)
NUDGES = Counter("sidecoach_nudges", "Nudges by source", ["source", "reason"])
UNWRITTEN = Counter("sidecoach_unwritten", "Outcomes that the event log did not take")
MODEL_CALLS = Counter(
    "sidecoach_model_calls", "Calls to a route by outcome", ["route", "tier", "outcome"]
)
MODEL_TOKENS = Counter("sidecoach_model_tokens", "Tokens by route", ["route", "direction"])
MODEL_COST = Counter("sidecoach_model_cost", "Cost of calls in currency units", ["route", "tenant"])
DRAFTS = Counter("sidecoach_drafts", "Drafts asked for, by the first choice or above it", ["of"])
SHAPES = Counter("sidecoach_draft_shapes", "Drafts by whether they keep their schema", ["shape"])
ESCALATIONS = Counter(
    "sidecoach_model_escalations", "Unsure drafts that a heavier route was to write", ["end"]
)
KEPT = Counter("sidecoach_kept_drafts", "Drafts looked for among those kept", ["found"])
FRAMES_REFUSED = Counter("sidecoach_frames_refused", "Client frames refused", ["code"])
FRAMES_DELAYED = Counter("sidecoach_frames_delayed", "Client frames read late: too many came")
UNKNOWN_EVENTS = Counter("sidecoach_unknown_events", "Group events no handler knew")
UNKNOWN_FIELDS = Counter(
    "sidecoach_unknown_fields", "Fields and purposes asked for that nobody registered", ["name"]
)
SOCKETS = Gauge(
    "sidecoach_sockets", "Open sockets of this worker", ["role"], multiprocess_mode="livesum"
)
ROADS = Gauge("sidecoach_roads", "Utterances under way on this worker", multiprocess_mode="livesum")
FEEDBACK = Counter("sidecoach_feedback", "Verdicts on nudges", ["verdict"])
ALERTS = Counter("sidecoach_alerts", "Alerts raised", ["kind"])
LOAD = Gauge("sidecoach_load", "What admission goes by, of this worker", ["signal"])
OVERLOADED = Counter("sidecoach_overloaded", "Work refused for lack of room", ["signal"])
CLOSED = Counter("sidecoach_lines_closed", "Lines closed by the server", ["code"])
RESYNCS = Counter("sidecoach_resyncs", "Readers whose history was not ours any more")
DRAFT_FRAMES = Counter(
    "sidecoach_draft_frames", "Words not yet finished, by what was done", ["done"]
)
RULES = Counter("sidecoach_trigger_rules", "Trigger rules that decided", ["on", "then"])
SPANS = Counter("sidecoach_spans", "Spans of traces by what became of them", ["end"])

# Read from the database, so every worker tells the same.
BUDGET_USED = Gauge(
    "sidecoach_budget_used_ratio", "Share of a budget that is used", ["tenant", "period"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
COST_RISE = Gauge(
    "sidecoach_cost_rise_ratio", "Cost of the last day over the day before, less one", ["tenant"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
COST_PER_THOUSAND = Gauge(
    "sidecoach_cost_per_thousand", "Cost of a thousand requests, last 24 hours", ["tenant"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
OVERDUE = Gauge(
    "sidecoach_overdue_rows", "Rows past their deadline", ["kind"], multiprocess_mode="mostrecent"
)

"""Prometheus metrics: bounded labels, no words. Names and buckets live here alone."""

from prometheus_client import Counter, Gauge, Histogram

MS = (1, 2, 5, 10, 20, 30, 50, 80, 120, 200, 300, 500, 650, 800, 1000, 1200, 1500, 3000)

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
OUTCOMES = Counter("sidecoach_utterances", "Utterances by terminal event", ["outcome", "reason"])
NUDGES = Counter("sidecoach_nudges", "Nudges by source", ["source", "reason"])
MODEL_CALLS = Counter("sidecoach_model_calls", "Calls to a route by outcome", ["route", "outcome"])
ESCALATIONS = Counter(
    "sidecoach_model_escalations", "Unsure drafts that a heavier route was to write", ["end"]
)
KEPT = Counter("sidecoach_kept_drafts", "Drafts looked for among those kept", ["found"])
FRAMES_REFUSED = Counter("sidecoach_frames_refused", "Client frames refused", ["code"])
UNKNOWN_EVENTS = Counter("sidecoach_unknown_events", "Group events no handler knew")
UNKNOWN_FIELDS = Counter(
    "sidecoach_unknown_fields", "Fields and purposes asked for that nobody registered", ["name"]
)
SOCKETS = Gauge("sidecoach_sockets", "Open sockets of this worker", ["role"])
ROADS = Gauge("sidecoach_roads", "Utterances under way on this worker")
FEEDBACK = Counter("sidecoach_feedback", "Verdicts on nudges", ["verdict"])
ALERTS = Counter("sidecoach_alerts", "Alerts raised", ["kind"])
LOAD = Gauge("sidecoach_load", "What admission goes by, of this worker", ["signal"])
OVERLOADED = Counter("sidecoach_overloaded", "Work refused for lack of room", ["signal"])
CLOSED = Counter("sidecoach_lines_closed", "Lines closed by the server", ["code"])
RESYNCS = Counter("sidecoach_resyncs", "Readers whose history was not ours any more")
DRAFTS = Counter("sidecoach_drafts", "Words not yet finished, by what was done", ["done"])
RULES = Counter("sidecoach_trigger_rules", "Trigger rules that decided", ["on", "then"])

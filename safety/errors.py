"""What safety raises: a caller that catches `SafetyError` has caught all of it."""


class SafetyError(Exception):
    """Something that guards a danger could not do its work; the words must not travel."""

    reason = "safety"


class RedactionFailed(SafetyError):
    """A recogniser failed or ran late, so nothing may be called redacted."""

    reason = "redaction_failed"


class SignalsFailed(SafetyError):
    """No reading of the text could be made."""

    reason = "signals_failed"


class SignalsLate(SignalsFailed):
    """The reading was not there by its deadline."""

    reason = "signals_late"


class SignalsBroken(SignalsFailed):
    """The classifier is missing, changed, or answered with something that is no reading."""

    reason = "signals_broken"


class GateClosed(SafetyError):
    """The output gate refused the rest of a text; `reason` is the policy that refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

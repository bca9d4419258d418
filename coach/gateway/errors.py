class GatewayError(Exception):
    """No usable draft; `reason` is what a person is told when the playbook stands in."""

    reason = "model_unavailable"


class NoRoute(GatewayError):
    """No model is set up, or none may be called."""

    reason = "no_model"


class RouteClosed(GatewayError):
    """Its breaker is open: it failed lately and is left alone."""

    reason = "model_unavailable"


class ModelDown(GatewayError):
    """It could not be reached, or refused the call."""

    reason = "model_unavailable"


class ModelLate(GatewayError):
    """It did not start, or stopped for too long, within the time given."""

    reason = "model_late"


class ModelBroken(GatewayError):
    """Its answer is cut, malformed or not in the shape asked for."""

    reason = "model_broken"

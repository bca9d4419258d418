class GatewayError(Exception):
    """No usable draft; `reason` is what a person is told when the playbook stands in."""

    reason = "model_unavailable"


class NoRoute(GatewayError):
    """No model is set up, or none may be called."""

    reason = "no_model"


class RouteClosed(GatewayError):
    """Its breaker is open: it failed lately and is left alone."""


class ModelDown(GatewayError):
    """It refused the call, or broke before it answered."""


class ModelUnreached(ModelDown):
    """Nobody answered at its address, so no server has seen the call."""


class ContextTooLong(GatewayError):
    """The prompt is longer than this model takes."""


class ModelLate(GatewayError):
    """It did not start, or stopped for too long, within the time given."""

    reason = "model_late"


class ModelBroken(GatewayError):
    """Its answer is cut, malformed or not in the shape asked for."""

    reason = "model_broken"


class BudgetSpent(GatewayError):
    """What this organisation, day or session may cost is used up."""

    reason = "budget"


class Killed(GatewayError):
    """Somebody switched model use off, here or everywhere."""

    reason = "killed"


class LedgerDown(GatewayError):
    """What a call costs could not be reserved, so it is not made."""

    reason = "ledger_unavailable"

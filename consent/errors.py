class ConsentError(Exception):
    """The vault could not do what was asked; nothing was disclosed."""


class VaultUnavailable(ConsentError):
    """The vault did not answer in time, or could not write its log."""


class UnknownSubject(ConsentError):
    """There is no such person here, or they were erased."""


class NotAllowed(ConsentError):
    """The policy never lets this field serve this purpose."""

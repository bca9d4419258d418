class ConsentError(Exception):
    """The vault could not do what was asked; nothing was disclosed."""


class VaultUnavailable(ConsentError):
    """The vault did not answer in time, or could not write its log."""


class UnknownSubject(ConsentError):
    """There is no such person here, or they were erased."""


class NotAllowed(ConsentError):
    """The policy never lets this field serve this purpose."""


class NoticeChanged(ConsentError):
    """What this person read is not the notice any more; they are to be asked anew."""


class ReceiptInvalid(ConsentError):
    """The document is no receipt of ours, or was changed; the message says in what way."""

import random
from typing import Any
from uuid import UUID


class Refused(Exception):
    """What somebody asked for was not done; `code` and `detail` go back to them."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class Overloaded(Refused):
    """Not done for now, because too much is under way; asked again later it may be."""

    def __init__(self, signal: str, *, after_ms: int) -> None:
        super().__init__("overloaded", "Too much is going on here right now; try again soon.")
        self.signal = signal
        # Spread out, or everybody who was turned away together comes back together.
        self.retry_after_ms = round(after_ms * random.uniform(0.5, 1.5))

    def frame(self, client_msg_id: UUID | None = None) -> dict[str, Any]:
        frame: dict[str, Any] = {"type": "overloaded", "retry_after_ms": self.retry_after_ms}
        return frame | ({"client_msg_id": str(client_msg_id)} if client_msg_id else {})

"""Who may open a socket from where: a browser from our own pages only, a program by its token."""

from typing import Any


class BearerOrOrigin:
    """Connections with a bearer token skip the origin check and the cookie.

    A page elsewhere can make a browser send our cookie, but never a header of its choosing.
    """

    def __init__(self, *, bearer: Any, browser: Any) -> None:
        self.bearer = bearer
        self.browser = browser

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        headers = dict(scope["headers"])
        authorised = headers.get(b"authorization", b"").lower().startswith(b"bearer ")
        # A browser always names its origin; whoever does must come from one we know.
        if authorised and b"origin" not in headers:
            return await self.bearer(scope, receive, send)
        return await self.browser(scope, receive, send)

"""Plain requests take turns: so many at once in a worker, and the others wait, or hear 503."""

from typing import Any

# Asked by machines that look after this one, also and above all when it is busy.
ALWAYS = ("/healthz", "/readyz", "/metrics")


class Turns:
    """An ASGI application in front of Django's; a stream gives its turn back once it has begun."""

    def __init__(self, django: Any) -> None:
        self.django = django

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        hub = scope.get("state", {}).get("hub")
        if hub is None or scope["path"].startswith(ALWAYS):
            await self.django(scope, receive, send)
            return
        give_back = await hub.admission.request()
        if give_back is None:
            await _refuse(send)
            return

        async def sent(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and _is_stream(message):
                give_back()
            await send(message)

        try:
            await self.django(scope, receive, sent)
        finally:
            give_back()


def _is_stream(message: dict[str, Any]) -> bool:
    headers = {name.lower(): value for name, value in message["headers"]}
    return bytes(headers.get(b"content-type", b"")).startswith(b"text/event-stream")


async def _refuse(send: Any) -> None:
    body = b'{"type": "about:blank", "title": "Overloaded", "status": 503}'
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", b"1"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})

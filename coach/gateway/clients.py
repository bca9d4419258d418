"""HTTP clients by address: kept open from call to call, closed together."""

from typing import Any

from openai import AsyncOpenAI

from coach.gateway.routes import Route

CONNECT_S = 10.0


class Clients:
    """One client for each address and key, without retries of its own."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[AsyncOpenAI, Any]] = {}

    def create_of(self, route: Route) -> Any:
        """The call `Attempt.begin` makes; made once, as the client builds it anew each time."""
        key = route.base_url, route.api_key
        if key not in self._known:
            client = AsyncOpenAI(
                base_url=route.base_url,
                api_key=route.api_key or "none",
                max_retries=0,
                timeout=CONNECT_S,
            )
            create = client.chat.completions.with_streaming_response.create
            self._known[key] = client, create
        return self._known[key][1]

    async def close(self) -> None:
        for client, _ in self._known.values():
            await client.close()
        self._known.clear()

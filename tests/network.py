"""Nothing here speaks to another machine: what tries is stopped, and told of at the end."""

import ipaddress
import sys
from typing import Any

LOCAL = {"localhost", "", "0.0.0.0", "::"}
attempts: list[str] = []


def watch() -> None:
    """From now on this process can reach loopback and Unix sockets alone."""
    sys.addaudithook(_only_loopback)


def _only_loopback(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if not isinstance(address, tuple):
            return
        host = address[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host or ""
    if name in LOCAL or _is_loopback(name):
        return
    attempts.append(f"{event} {name}")
    raise OSError(f"the tests reach loopback alone, not {name}")


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return False

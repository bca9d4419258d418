"""A provider for promptfoo: says a prompt in a session and gives what comes of it.

Python's own library alone, as promptfoo runs this by whatever Python it finds.
"""

import json
import os
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

WAIT_S, AGAIN_S, REQUEST_S = 3.0, 0.025, 5.0


def call_api(prompt: str, options: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """`output`, a summary of the terminal frame, or `error`; said by somebody new each time.

    Saying it again with the same id asks for the outcome.
    """
    config = options.get("config", {})
    url = os.environ.get("SIDECOACH_URL") or config["url"]
    code = os.environ.get("SIDECOACH_CODE") or config["code"]
    person = {
        "code": code,
        "display_name": "Evaluation",
        "consent": [{"purpose": "coaching", "fields": ["utterance"]}],
    }
    said = {"client_msg_id": str(uuid.uuid4()), "text": prompt}
    try:
        joined = _post(url, "sessions/join", person)
        path = f"sessions/{joined['session']}/utterances/"
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            if (outcome := _post(url, path, said, joined["token"])["outcome"]) is not None:
                return {"output": _summary(outcome)}
            time.sleep(AGAIN_S)
    except (urllib.error.URLError, OSError) as exc:
        return {"error": f"the server did not answer: {exc}"}
    return {"error": f"no outcome within {WAIT_S:.0f} s"}


def _post(url: str, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(  # noqa: S310  an address of the operator's
        f"{url}/api/v1/{path}", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=REQUEST_S) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


def _summary(frame: dict[str, Any]) -> dict[str, Any]:
    citations = frame.get("citations") or []
    return {
        "type": frame["type"],
        "text": frame.get("text", ""),
        "source": frame.get("source", ""),
        "titles": [each["title"] for each in citations],
        "quotes": [each["quote"] for each in citations],
        "total_ms": frame.get("total_ms"),
    }

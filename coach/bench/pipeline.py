"""Frame to terminal and each stage of the road, over real sockets."""

from collections.abc import Sequence

from coach.bench.report import Row, Say
from coach.demo.rehearsal import Line, rehearse
from coach.live.client import rest


async def pipeline(script: Sequence[Line], url: str, token: str, say: Say) -> Sequence[Row]:
    """Frame to terminal and each stage, over real sockets, one session."""
    async with rest(url, token) as api:
        await rehearse(script[:10], api, url)
        say(f"{len(script)} turns")
        summary = (await rehearse(script, api, url)).summary()
    rows = [
        {"what": "frame to terminal", "n": summary["turns"], **summary["frame_to_terminal_ms"]},
        {"what": "on the server", "n": summary["turns"], **summary["server_total_ms"]},
    ]
    rows += [{"what": f"stage {k}", **v} for k, v in summary["stages_ms"].items()]
    return rows

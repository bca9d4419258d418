"""A whole session in a network namespace that has no way out but loopback."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from django.conf import settings

# One road with everything on it, in a process that counts whoever tries to reach further.
PROGRAM = """
import os, sys
sys.path.insert(0, ".")
from tests import network
network.watch()
import socket
names = [name for _, name in socket.if_nameindex()]
import django
django.setup()
from coach import tenancy
tenancy.enter(tenancy.everywhere("test"))
import asyncio, json
from coach.demo.load import load
from coach.engines import open_engines
from coach.rooms.joining import join
from coach.live.client import Ticket
from tests.coach.roads import walk

demo = load()
joined = join(demo.session.join_code, display_name="Ada", consent={"coaching": ["utterance"]})
ticket = Ticket(str(demo.session.id), str(joined.member.id), "")

async def main():
    async with open_engines() as engines:
        ended = await walk(engines, ticket, "I keep putting off the report")
    return ended.nudge.source

source = asyncio.run(main())
print(json.dumps({"source": source, "attempts": network.attempts, "interfaces": names}))
"""


def unshared() -> list[str]:
    """How to begin a process without a network, where this machine lets us."""
    if shutil.which("unshare") is None:
        return []
    for way in (["unshare", "-n"], ["unshare", "-n", "--map-current-user", "--keep-caps"]):
        if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
            return way
    return []


def test_a_road_reaches_for_nothing_outside_and_needs_nothing_from_there(demo):
    way = unshared()
    if not way:
        pytest.skip("this machine allows no network namespace; make test-offline needs one")
    done = subprocess.run(
        [*way, sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=settings.BASE_DIR, env=os.environ | {"TRITON_URL": "", "LLM_BASE_URL": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"source": "playbook", "attempts": [], "interfaces": ["lo"]}

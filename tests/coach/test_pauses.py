"""What a worker does now and then must not hold up what it does all the time."""

import subprocess
import sys

from django.conf import settings

# 670,000 objects of models and libraries took 370 ms to look through, each time.
MOST_S = 0.1
WORKER = """
import asyncio, gc, time
from coach.asgi import application

async def main():
    asked, told = asyncio.Queue(), asyncio.Queue()
    asked.put_nowait({"type": "lifespan.startup"})
    scope = {"type": "lifespan", "state": {}}
    running = asyncio.create_task(application(scope, asked.get, told.put))
    assert (await told.get())["type"] == "lifespan.startup.complete"
    begun = time.perf_counter()
    gc.collect()
    print(time.perf_counter() - begun)
    asked.put_nowait({"type": "lifespan.shutdown"})
    await running

asyncio.run(main())
"""


def test_a_worker_never_again_looks_through_what_it_has_loaded(demo):
    done = subprocess.run(
        [sys.executable, "-c", WORKER], cwd=settings.BASE_DIR, capture_output=True, timeout=100
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert float(done.stdout.split()[-1]) < MOST_S

"""Readings of the signals model with their time taken, on whichever engine and device."""

import time
from dataclasses import dataclass, field

from django.conf import settings

from coach.ops import metrics, tracing
from safety.classifiers import Classifiers, InProcess, Signals
from safety.classifiers.triton import Triton, WithStandIn


@dataclass
class Timed:
    """Another reader; each reading is a span and a sample, also one that fails."""

    engine: str
    device: str
    reader: Classifiers = field(repr=False)

    async def read_signals(
        self,
        text: str,
        *,
        previous: str | None = None,
        role: str | None = "participant",
        timeout_s: float,
    ) -> Signals:
        begun = time.perf_counter()
        with tracing.span("heads", {"engine": self.engine, "device": self.device}):
            try:
                return await self.reader.read_signals(
                    text, previous=previous, role=role, timeout_s=timeout_s
                )
            finally:
                taken_ms = (time.perf_counter() - begun) * 1000
                metrics.HEADS.labels(self.device).observe(taken_ms)


def timed(own: InProcess, triton_url: str) -> Classifiers:
    """This process's model, behind Triton where there is one."""
    here = Timed("in_process", "cpu", own)
    if not triton_url:
        return here
    there = Timed("triton", settings.ENV.triton_device, Triton(triton_url, own.card, own.reader))
    return WithStandIn(there, here)

"""What one disclosure takes, its log and its audit included."""

import time
from collections.abc import Sequence

from coach import tenancy
from coach.bench.report import Row, Say
from coach.database import Database, DatabaseError
from coach.demo.rehearsal import quantiles
from coach.models import Member
from consent import choices
from consent.registry import Purpose
from consent.vault import Vault

DISCLOSURES, DISCLOSED_BEFORE = 1_000, 50


async def vault(member: Member, say: Say) -> Sequence[Row]:
    """One disclosure at a time: rights read, release logged and chained, in one round trip."""
    database = Database("vault")
    await database.open()
    door = Vault(database, choices.key_ring(), unavailable=(DatabaseError,))
    taken: list[float] = []
    empty: list[float] = []
    try:
        with tenancy.acting(tenancy.of([member.organisation_id], actor="bench")):
            for _ in range(DISCLOSED_BEFORE + DISCLOSURES):
                began = time.perf_counter()
                await database.fetch("SELECT 1", timeout_s=5.0)
                empty.append((time.perf_counter() - began) * 1000)
                began = time.perf_counter()
                await door.disclose(
                    member.id,
                    {"utterance": "I am stuck", "recent_turns": "And before that, too"},
                    purpose=Purpose.COACHING,
                    recipient="bench",
                    stored=("display_name", "role", "goal", "profile_note"),
                    timeout_s=5.0,
                )
                taken.append((time.perf_counter() - began) * 1000)
    finally:
        await database.close()
    say(f"{DISCLOSURES} disclosures")
    return [
        {"what": what, "n": DISCLOSURES, **quantiles(times[DISCLOSED_BEFORE:])}
        for what, times in (("SELECT 1, for comparison", empty), ("disclose", taken))
    ]

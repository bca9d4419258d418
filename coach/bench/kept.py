"""What kept drafts would have answered: people who say alike things, one after the other."""

import uuid
from pathlib import Path
from typing import Any

from django.conf import settings

from coach.database import Database, DatabaseError
from coach.demo.load import HERE, PLAYBOOK
from coach.gateway.kept import KeptDrafts, Terms
from coach.gateway.models import KeptDraft
from rag.embedding import Encoder, model_directory
from rag.models import Playbook
from rag.retrieval import Filters, Retrieval
from safety.jsonlines import read

REPLAY_FILE = HERE / "replay.jsonl"
SPLITS = ("dev", "test")
FIND_S = 2.0


async def kept(split: str) -> dict[str, Any]:
    """Hits of the semantic kind on one half of the replay set, and how many were of another theme.

    Each utterance is looked for and then kept with the best passage that was found for it, as a
    model's draft would be. The set is ours: four ways to say each of twelve things, and a few
    that sound the same and mean the opposite.
    """
    database, encoder = Database("default"), Encoder.load(model_directory())
    await database.open()
    try:
        return await _play(split, database, encoder)
    finally:
        await database.close()


async def _play(split: str, database: Database, encoder: Encoder) -> dict[str, Any]:
    playbook = await Playbook.objects.aget(name=PLAYBOOK)
    cache = KeptDrafts(database, encoder, hours=1)
    retrieval = Retrieval(database, encoder, unavailable=(DatabaseError,))
    rows = [row for row in read(REPLAY_FILE, {"text": str}) if row["split"] == split]
    terms = Terms(
        organisation=playbook.organisation_id, playbook=playbook.id, version=1,
        fields=frozenset({"utterance"}), policy=str(uuid.uuid4()), prompt="replay", language="en",
    )  # fmt: skip
    member, hits, wrong = uuid.uuid4(), 0, 0
    for row in rows:
        found = await retrieval.search(
            row["text"], organisation_id=playbook.organisation_id, playbook_id=playbook.id,
            limit=5, filters=Filters(role="participant"), timeout_s=FIND_S,
        )  # fmt: skip
        among = [passage.id for passage in found.passages]
        known = await cache.find(row["text"], terms, among=among, avoid=(), timeout_s=FIND_S)
        if known is not None and known.sure:
            hits += 1
            wrong += known.text != row["theme"]
            continue
        cites = [{"passage": str(among[0]), "title": "", "version": 1, "quote": ""}]
        await cache.keep(
            row["text"], row["theme"], cites, terms, member=member, route="replay",
            timeout_s=FIND_S,
        )  # fmt: skip
    await KeptDraft.objects.filter(member_id=member).adelete()
    return {
        "what": f"replay set, {split}",
        "n": len(rows),
        "semantic hits": hits,
        "share": round(hits / len(rows), 3),
        "of another theme": wrong,
        "model": Path(settings.EMBEDDING_MODEL or "all-MiniLM-L6-v2").name,
    }

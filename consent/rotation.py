"""A new VAULT_KEY without a pause: every person's key is wrapped anew, a few at a time."""

from collections.abc import Iterator
from uuid import UUID

from consent import audit
from consent.audit import PLATFORM
from consent.choices import key_ring
from consent.models import Subject

BATCH = 500


def rotate() -> Iterator[int]:
    """Wrap by the present key whatever an earlier one wrapped; the number done, batch by batch.

    Work goes on meanwhile, since both keys open. May be repeated; raises ConsentError for a key
    that neither of them opens.
    """
    keys, last, total = key_ring(), UUID(int=0), 0
    while subjects := list(
        Subject.objects.filter(id__gt=last, wrapped_key__isnull=False).order_by("id")[:BATCH]
    ):
        done = 0
        for subject in subjects:
            before = bytes(subject.wrapped_key or b"")
            if (fresh := keys.rewrap(before)) is not None:
                # Whoever was erased meanwhile has no key any more, and gets none.
                done += Subject.objects.filter(id=subject.id, wrapped_key=before).update(
                    wrapped_key=fresh
                )
        last, total = subjects[-1].id, total + done
        yield done
    audit.record("rotated", organisation_id=PLATFORM, keys=total)

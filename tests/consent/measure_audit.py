"""Times `audit verify` on a chain of a million rows: `python -m tests.consent.measure_audit`.

It works on a database of its own beside the embedded server's others, and drops it again.
"""

import os
import sys
import time
import uuid

ROWS, BATCH = 1_000_000, 500
NAME = f"measure_{os.getpid()}"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coach.settings")
    os.environ["DATABASE_NAME"] = NAME
    import django

    django.setup()
    import psycopg
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections

    from coach import embedded, tenancy
    from consent import audit

    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    here = embedded.hold(settings.DATA_DIR, NAME)
    tenancy.enter(tenancy.everywhere("measure"))
    try:
        call_command("migrate", verbosity=0)
        began = time.perf_counter()
        with connections["vault"].cursor() as cursor:
            chain = uuid.uuid4()
            # A head moved very often in one transaction becomes slow to find in its table.
            for _ in range(rows // BATCH):
                cursor.execute(
                    "INSERT INTO consent_auditentry (organisation_id, action, subject_id, body)"
                    " SELECT %s, 'disclosed', gen_random_uuid(), jsonb_build_object("
                    "  'id', gen_random_uuid(), 'purpose', 'coaching', 'fields', "
                    "  ARRAY['utterance', 'goal'], 'withheld', ARRAY['role'], 'recipient', 'x')"
                    " FROM generate_series(1, %s::int)",
                    [chain, BATCH],
                )
        written = time.perf_counter()
        verdict = audit.verify()
        done = time.perf_counter()
        print(f"rows {verdict.rows}, whole {verdict.fault is None}")
        print(f"written in {written - began:.1f} s, verified in {done - written:.1f} s")
    finally:
        connections.close_all()
        with psycopg.connect(here.url("postgres", "postgres"), autocommit=True) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{NAME}" WITH (FORCE)')


if __name__ == "__main__":
    main()

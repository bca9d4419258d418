from django.db import migrations

# The application may only add to the log. Retention is, beside erasure, what the law asks for: these
# run with the owner's rights, on rows that row-level security shows to whoever calls them. A stream
# that lost its beginning gets a new epoch, so that a reader who comes back late is told to read anew.
PURGE = """
CREATE FUNCTION coach_old_events(before timestamptz) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*) FROM coach_event WHERE at < before
$$;
CREATE FUNCTION coach_purge_events(before timestamptz, most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE removed bigint;
BEGIN
    WITH old AS (
        SELECT id FROM coach_event WHERE at < before LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM coach_event e USING old WHERE e.id = old.id RETURNING e.stream_id
    ), renewed AS (
        UPDATE coach_stream s SET epoch = gen_random_uuid()
        WHERE s.id IN (SELECT stream_id FROM gone)
    )
    SELECT count(*) INTO removed FROM gone;
    RETURN removed;
END $$;
REVOKE ALL ON FUNCTION coach_old_events(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION coach_purge_events(timestamptz, int) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("coach", "0004_controller")]

    operations = [
        migrations.RunSQL(
            PURGE,
            "DROP FUNCTION coach_purge_events(timestamptz, int);"
            " DROP FUNCTION coach_old_events(timestamptz)",
        ),
    ]

from django.db import migrations

# The application may only add to the log. Erasure is the exception the law asks for: it runs with
# the owner's rights, empties frames about one member and removes the member's own stream.
ERASE = """
CREATE FUNCTION coach_erase_events(of_session uuid, of_member text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE touched bigint; emptied bigint;
BEGIN
    DELETE FROM coach_event e USING coach_stream s
    WHERE s.id = e.stream_id AND s.session_id = of_session AND s.audience = of_member;
    GET DIAGNOSTICS touched = ROW_COUNT;
    UPDATE coach_event e SET type = 'erased',
        frame = jsonb_build_object('type', 'erased', 'seq', e.seq, 'epoch', e.frame -> 'epoch')
    FROM coach_stream s
    WHERE s.id = e.stream_id AND s.session_id = of_session
      AND (e.frame ->> 'member' = of_member OR e.frame -> 'speaker' ->> 'member' = of_member);
    GET DIAGNOSTICS emptied = ROW_COUNT;
    RETURN touched + emptied;
END $$;
REVOKE ALL ON FUNCTION coach_erase_events(uuid, text) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("coach", "0001_initial")]

    operations = [
        migrations.RunSQL(ERASE, "DROP FUNCTION coach_erase_events(uuid, text)"),
    ]

from django.db import migrations, models

import coach.tenancy

TABLES = {
    "member": "SELECT organisation_id FROM coach_session s WHERE s.id = t.session_id",
    "stream": "SELECT organisation_id FROM coach_session s WHERE s.id = t.session_id",
    "utterance": "SELECT organisation_id FROM coach_session s WHERE s.id = t.session_id",
    "nudge": "SELECT organisation_id FROM coach_session s WHERE s.id = t.session_id",
    "alert": "SELECT organisation_id FROM coach_session s WHERE s.id = t.session_id",
    "event": "SELECT organisation_id FROM coach_stream s WHERE s.id = t.stream_id",
    "feedback": "SELECT organisation_id FROM coach_member m WHERE m.id = t.member_id",
    "accesstoken": (
        "SELECT coalesce((SELECT organisation_id FROM coach_member m WHERE m.id = t.member_id),"
        " (SELECT organisation_id FROM coach_staff s WHERE s.user_id = t.user_id"
        " ORDER BY s.id LIMIT 1))"
    ),
}


def fill(table: str, source: str) -> str:
    return f"UPDATE coach_{table} t SET organisation_id = ({source})"


class Migration(migrations.Migration):
    dependencies = [("coach", "0002_erase_events")]

    operations = [
        *(
            migrations.AddField(
                table, "organisation_id", models.UUIDField("organisation", null=True)
            )
            for table in TABLES
        ),
        *(
            migrations.RunSQL(fill(table, source), migrations.RunSQL.noop)
            for table, source in TABLES.items()
        ),
        # A log-in without an organisation has nothing to open with its token.
        migrations.RunSQL(
            "DELETE FROM coach_accesstoken WHERE organisation_id IS NULL", migrations.RunSQL.noop
        ),
        *(
            migrations.AlterField(
                table,
                "organisation_id",
                models.UUIDField(
                    "organisation", db_default=coach.tenancy.CurrentOrganisation(), editable=False
                ),
            )
            for table in TABLES
        ),
    ]

from django.db import migrations, models

TABLES = ("record", "storedvalue", "consentevent", "disclosure")


class Migration(migrations.Migration):
    dependencies = [("consent", "0001_initial")]

    operations = [
        *(
            migrations.AddField(
                table, "organisation_id", models.UUIDField("organisation", null=True)
            )
            for table in TABLES
        ),
        *(
            migrations.RunSQL(
                f"UPDATE consent_{table} t SET organisation_id ="
                " (SELECT organisation_id FROM consent_subject s WHERE s.id = t.subject_id)",
                migrations.RunSQL.noop,
            )
            for table in TABLES
        ),
        *(
            migrations.AlterField(table, "organisation_id", models.UUIDField("organisation"))
            for table in TABLES
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rag", "0002_history_and_graph")]

    operations = [
        migrations.RemoveIndex("playbookversion", "rag_version_graph"),
        migrations.AddField("term", "idf", models.FloatField(default=0.0), preserve_default=False),
        migrations.AddField(
            "term", "floor", models.FloatField(default=0.0), preserve_default=False
        ),
        migrations.RunSQL(
            "UPDATE rag_term AS term SET idf = ln(1 + (version.passage_count"
            " - cardinality(term.passages) + 0.5) / (cardinality(term.passages) + 0.5))"
            " FROM rag_playbookversion AS version WHERE version.id = term.version_id",
            migrations.RunSQL.noop,
        ),
        # Sorted numbers shrink a little when compressed, and take longer to read than they save.
        migrations.RunSQL(
            "ALTER TABLE rag_term ALTER COLUMN passages SET STORAGE EXTERNAL,"
            " ALTER COLUMN weights SET STORAGE EXTERNAL",
            "ALTER TABLE rag_term ALTER COLUMN passages SET STORAGE EXTENDED,"
            " ALTER COLUMN weights SET STORAGE EXTENDED",
        ),
    ]

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("coach", "0007_member_language")]

    # Rows are written in the order of their times, so a few kilobytes tell which pages hold a day.
    operations = [
        migrations.AddIndex(
            "utterance", BrinIndex(fields=["accepted_at"], name="coach_utterance_day")
        ),
        migrations.AddIndex("nudge", BrinIndex(fields=["created_at"], name="coach_nudge_day")),
    ]

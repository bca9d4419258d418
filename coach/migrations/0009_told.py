from django.db import migrations, models
from django.db.models import Q

OPEN = "coach_utterance_open"


class Migration(migrations.Migration):
    dependencies = [("coach", "0008_by_day")]

    # What was said before counts as told; from now on each utterance is told once, by whom ever.
    operations = [
        migrations.AddField(
            "utterance",
            "told",
            models.BooleanField("told to the facilitators", default=True, db_default=True),
        ),
        migrations.RemoveIndex("utterance", OPEN),
        migrations.AddIndex(
            "utterance",
            models.Index(
                fields=["lease_until"],
                condition=Q(outcome__isnull=True) | Q(told=False),
                name=OPEN,
            ),
        ),
    ]

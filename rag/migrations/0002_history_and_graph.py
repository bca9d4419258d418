import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rag", "0001_initial")]

    operations = [
        migrations.RemoveField(model_name="versionevent", name="version"),
        migrations.AddField(
            model_name="versionevent",
            name="version_id",
            field=models.UUIDField(db_index=True, default=uuid.UUID(int=0), verbose_name="version"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="versionevent",
            name="playbook",
            field=models.CharField(default="", max_length=80, verbose_name="playbook"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="versionevent",
            name="number",
            field=models.PositiveIntegerField(default=0, verbose_name="number"),
            preserve_default=False,
        ),
        migrations.RemoveIndex(model_name="vector", name="rag_vector_exact"),
        migrations.AddIndex(
            model_name="playbookversion",
            index=models.Index(
                condition=models.Q(("approximate", True)),
                fields=["passage_count"],
                name="rag_version_graph",
            ),
        ),
    ]

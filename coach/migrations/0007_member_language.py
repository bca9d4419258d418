from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('coach', '0006_cadence'),
    ]

    operations = [
        migrations.AddField(
            model_name='member',
            name='language',
            field=models.CharField(blank=True, default='', max_length=12, verbose_name='language they asked for'),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    """The site's brand. The release before knows none, and shows its own name."""

    dependencies = [
        ('bookings', '0023_photos'),
    ]

    operations = [
        migrations.CreateModel(
            name='Brand',
            fields=[
                ('id', models.CharField(db_column='_id', editable=False, max_length=8, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(editable=False)),
                ('name', models.CharField(editable=False, max_length=40)),
            ],
            options={
                'verbose_name_plural': 'brand',
                'db_table': 'brands',
                'default_permissions': ('view', 'change'),
            },
        ),
    ]

import django_mongodb_backend.fields
from django.db import migrations, models

from bookings.indexes import make_log_indexes


def make_indexes(apps, schema_editor):
    make_log_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """Orders hold rows; the manager's pages have names and rights; the log is read by index."""

    dependencies = [
        ('bookings', '0010_finding_guests'),
        ('admin', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Figures',
            fields=[
                ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ],
            options={
                'verbose_name': 'occupancy and revenue',
                'verbose_name_plural': 'occupancy and revenue',
                'managed': False,
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='NightsFile',
            fields=[
                ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ],
            options={
                'verbose_name_plural': 'nights as CSV',
                'managed': False,
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='PriceCalendar',
            fields=[
                ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ],
            options={
                'verbose_name_plural': 'price calendar',
                'managed': False,
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='nightsjob',
            name='kind',
            field=models.CharField(choices=[('generate', 'Generate'), ('change', 'Change'), ('import', 'Import')], default='generate', editable=False, max_length=8),
        ),
        migrations.AddField(
            model_name='nightsjob',
            name='rows',
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name='nightsjob',
            name='summary',
            field=models.CharField(default='', editable=False, max_length=500),
        ),
        migrations.RunPython(make_indexes, migrations.RunPython.noop),
    ]

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from bookings.indexes import make_booking_indexes, make_letter_indexes


def make_indexes(apps, schema_editor):
    make_booking_indexes(schema_editor.connection.database)
    make_letter_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """Verified addresses, letters, and an index that finds guests' bookings by address."""

    dependencies = [
        ("bookings", "0006_room_blocks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="VerifiedAddress",
            fields=[
                (
                    "address",
                    models.CharField(
                        db_column="_id",
                        editable=False,
                        max_length=254,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("verified_at", models.DateTimeField(editable=False)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="verified_addresses",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "verified_addresses",
                "verbose_name_plural": "verified addresses",
            },
        ),
        migrations.RunPython(make_indexes, migrations.RunPython.noop),
    ]

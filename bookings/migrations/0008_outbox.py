from django.db import migrations, models
from django_mongodb_backend.fields import ObjectIdField

from bookings.indexes import make_booking_indexes, make_delivery_indexes


def make_indexes(apps, schema_editor):
    make_booking_indexes(schema_editor.connection.database)
    make_delivery_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """Bookings get an outbox, and what is passed on from there a collection of its own."""

    dependencies = [("bookings", "0007_accounts")]

    operations = [
        migrations.CreateModel(
            name="DeliveryRecord",
            fields=[
                (
                    "id",
                    models.CharField(
                        db_column="_id", max_length=80, primary_key=True, serialize=False
                    ),
                ),
                ("channel", models.CharField(max_length=8)),
                ("to", models.CharField(max_length=24)),
                ("event", models.CharField(max_length=16, verbose_name="news")),
                ("at", models.DateTimeField()),
                ("booking", ObjectIdField()),
                ("reference", models.CharField(max_length=32)),
                ("state", models.CharField(max_length=16)),
                ("tries", models.PositiveSmallIntegerField()),
                ("last_error", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("next_try_at", models.DateTimeField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "notification",
                "db_table": "deliveries",
                "ordering": ["-created_at"],
                "managed": False,
            },
        ),
        migrations.RunPython(make_indexes, migrations.RunPython.noop),
    ]

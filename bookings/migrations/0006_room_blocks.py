from django.db import migrations

from bookings.indexes import make_booking_indexes


def make_indexes(apps, schema_editor):
    make_booking_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """Room blocks get permissions of their own, and an index that finds them."""

    dependencies = [("bookings", "0005_nights")]

    operations = [
        migrations.CreateModel(
            name="RoomBlock",
            fields=[],
            options={
                "verbose_name": "room block",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("bookings.bookingrecord",),
        ),
        migrations.RunPython(make_indexes, migrations.RunPython.noop),
    ]

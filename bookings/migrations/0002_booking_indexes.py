from django.db import migrations

from bookings.indexes import make_booking_indexes


def make_indexes(apps, schema_editor):
    make_booking_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """Makes the collection and indexes that the booking flow stands on."""

    dependencies = [("bookings", "0001_initial")]

    operations = [migrations.RunPython(make_indexes, migrations.RunPython.noop)]

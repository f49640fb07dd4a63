from django.db import migrations

from bookings.indexes import make_booking_indexes


def make_indexes(apps, schema_editor):
    make_booking_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """An index for partners who ask what has changed. The release before does without it."""

    dependencies = [("bookings", "0026_reminders")]

    operations = [migrations.RunPython(make_indexes, migrations.RunPython.noop)]

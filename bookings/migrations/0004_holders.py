from django.db import migrations

from bookings.indexes import make_booking_indexes


def make_indexes(apps, schema_editor):
    make_booking_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """Makes what counts a person's live holds: an index on them, and a collection of holders."""

    dependencies = [("bookings", "0003_price_limit")]

    operations = [migrations.RunPython(make_indexes, migrations.RunPython.noop)]

from django.db import migrations

from bookings.indexes import make_booking_indexes


def make_indexes(apps, schema_editor):
    make_booking_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """Indexes for each filter of a partner's list. The release before uses none of them."""

    dependencies = [("bookings", "0019_help_texts")]

    operations = [migrations.RunPython(make_indexes, migrations.RunPython.noop)]

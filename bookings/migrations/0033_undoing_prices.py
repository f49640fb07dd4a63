from django.db import migrations

from bookings.indexes import make_night_change_indexes


def make_indexes(apps, schema_editor):
    make_night_change_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """Staff can take their last change of nights back."""

    dependencies = [("bookings", "0032_remarks")]

    operations = [migrations.RunPython(make_indexes, migrations.RunPython.noop)]

from django.db import migrations

from bookings.indexes import make_collection


def make_remarks(apps, schema_editor):
    """The collection of colleagues' remarks; safe to repeat. A backup fails if it comes later."""
    make_collection(schema_editor.connection.database, "remarks")


class Migration(migrations.Migration):
    """Remarks that colleagues write on a booking."""

    dependencies = [("bookings", "0031_team")]

    operations = [migrations.RunPython(make_remarks, migrations.RunPython.noop)]

from django.db import migrations

from bookings.indexes import make_collection


def make_people(apps, schema_editor):
    """Made before the first transactions that write into them; safe to repeat."""
    database = schema_editor.connection.database
    for name in ("people", "second_factors"):
        make_collection(database, name)


class Migration(migrations.Migration):
    """Each account that writes has a document by which its writes meet its deletion."""

    dependencies = [("bookings", "0017_off_sale_since")]

    operations = [migrations.RunPython(make_people, migrations.RunPython.noop)]

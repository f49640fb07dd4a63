from django.db import migrations

from bookings.indexes import make_guest_indexes


def make_collections(apps, schema_editor):
    """The links between stays, and the rules of retention; safe to repeat."""
    make_guest_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """Guests whose stays belong together, and a right to export and erase their data."""

    dependencies = [("bookings", "0033_undoing_prices")]

    operations = [
        migrations.AlterModelOptions(
            name="bookingrecord",
            options={
                "managed": False,
                "ordering": ["-id"],
                "permissions": [("erase_bookingrecord", "Can export and erase guests' data")],
                "verbose_name": "booking",
            },
        ),
        migrations.RunPython(make_collections, migrations.RunPython.noop),
    ]

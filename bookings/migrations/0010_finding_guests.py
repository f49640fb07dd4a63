from django.db import migrations, models

from bookings.indexes import make_booking_indexes


def make_indexes(apps, schema_editor):
    make_booking_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """What the desk marks on a stay, and indexes that find a guest: by name, phone, address."""

    dependencies = [("bookings", "0009_webhook_endpoints")]

    operations = [
        migrations.AddField(
            model_name="bookingrecord",
            name="presence",
            field=models.CharField(max_length=16, null=True),
        ),
        migrations.RunPython(make_indexes, migrations.RunPython.noop),
    ]

from django.db import migrations, models


def date_rooms_off_sale(apps, schema_editor):
    """From now on, since when they really are is not known. Safe to repeat."""
    schema_editor.connection.database["rooms"].update_many(
        {"is_sold": False, "off_sale_since": None}, [{"$set": {"off_sale_since": "$$NOW"}}]
    )


class Migration(migrations.Migration):
    """A room says since when it is off sale: only then can it be deleted."""

    dependencies = [("bookings", "0016_failed_work")]

    operations = [
        migrations.AddField(
            model_name="room",
            name="off_sale_since",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.RunPython(date_rooms_off_sale, migrations.RunPython.noop),
    ]

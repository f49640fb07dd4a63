from django.db import migrations


class Migration(migrations.Migration):
    """A right to sell at another price than the calendar's."""

    dependencies = [("bookings", "0034_guests")]

    operations = [
        migrations.AlterModelOptions(
            name="bookingrecord",
            options={
                "managed": False,
                "ordering": ["-id"],
                "permissions": [
                    ("erase_bookingrecord", "Can export and erase guests' data"),
                    ("reprice_bookingrecord", "Can sell at another price"),
                ],
                "verbose_name": "booking",
            },
        ),
    ]

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """How many days before arrival each hotel reminds its guests.

    An earlier release beside this one leaves the field as it is, and adds hotels without it.
    """

    dependencies = [("bookings", "0025_room_names")]

    operations = [
        migrations.AddField(
            model_name="hotel",
            name="reminder_days",
            field=models.PositiveSmallIntegerField(
                default=0,
                help_text="Guests get a mail about their stay so many days before they arrive, from 9:00 by the hotel’s clock. 0 means no reminder.",
                validators=[django.core.validators.MaxValueValidator(28)],
                verbose_name="days before arrival for a reminder",
            ),
        ),
    ]

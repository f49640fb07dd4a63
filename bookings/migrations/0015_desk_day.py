import datetime

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """A hotel has an end of day, and says what the desk is offered for a no-show's nights."""

    dependencies = [("bookings", "0014_search_terms")]

    operations = [
        migrations.AddField(
            model_name="hotel",
            name="end_of_day",
            field=models.TimeField(
                default="05:00",
                help_text=(
                    "Until then, 12:00 at the latest, the desk may still sell and mark the night "
                    "that began the day before."
                ),
                validators=[django.core.validators.MaxValueValidator(datetime.time(12, 0))],
            ),
        ),
        migrations.AddField(
            model_name="hotel",
            name="release_no_shows",
            field=models.BooleanField(
                default=True,
                help_text="Whether the desk is offered to sell a no-show's other nights again.",
                verbose_name="release nights of no-shows",
            ),
        ),
        migrations.AlterField(
            model_name="hotel",
            name="cancel_hours",
            field=models.PositiveSmallIntegerField(
                default=0,
                help_text=(
                    "Guests may cancel until this many hours before check-in by the hotel's clock: "
                    "48 is the same time two days earlier, whenever the clocks change."
                ),
                validators=[django.core.validators.MaxValueValidator(8760)],
            ),
        ),
    ]

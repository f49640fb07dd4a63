import datetime

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Only texts of the admin change, so nothing in the database does."""

    dependencies = [("bookings", "0018_people")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="hotel",
                    name="anonymous_hold_percent",
                    field=models.PositiveSmallIntegerField(
                        default=50,
                        help_text=(
                            "If guests without an account hold more than this percentage of a "
                            "category's rooms on a night, the next such guest must confirm an "
                            "e-mail address first."
                        ),
                        validators=[django.core.validators.MaxValueValidator(100)],
                        verbose_name="share of anonymous holds",
                    ),
                ),
                migrations.AlterField(
                    model_name="hotel",
                    name="check_in_time",
                    field=models.TimeField(default="15:00", help_text="By the hotel's clock."),
                ),
                migrations.AlterField(
                    model_name="hotel",
                    name="check_out_time",
                    field=models.TimeField(default="11:00", help_text="By the hotel's clock."),
                ),
                migrations.AlterField(
                    model_name="hotel",
                    name="end_of_day",
                    field=models.TimeField(
                        default="05:00",
                        help_text=(
                            "Until this time, by the hotel's clock, the front desk can still sell "
                            "the night that began the day before, and mark its guests. Choose "
                            "12:00 at the latest."
                        ),
                        validators=[
                            django.core.validators.MaxValueValidator(datetime.time(12, 0))
                        ],
                    ),
                ),
                migrations.AlterField(
                    model_name="hotel",
                    name="release_no_shows",
                    field=models.BooleanField(
                        default=True,
                        help_text=(
                            "Tick the box beside No-show in advance. It puts the guest's remaining "
                            "nights back on sale; staff can untick it."
                        ),
                        verbose_name="release nights of no-shows",
                    ),
                ),
                migrations.AlterField(
                    model_name="webhookendpoint",
                    name="is_active",
                    field=models.BooleanField(
                        default=True,
                        help_text=(
                            "While this is off, events wait for up to 30 days. They are sent once "
                            "it is on again."
                        ),
                        verbose_name="active",
                    ),
                ),
                migrations.AlterField(
                    model_name="webhookendpoint",
                    name="url",
                    field=models.CharField(
                        help_text="Where the partner's server receives events: https://...",
                        max_length=500,
                        verbose_name="URL",
                    ),
                ),
            ]
        )
    ]

import django.core.validators
from django.db import migrations, models

from bookings.indexes import make_booking_indexes


def make_indexes(apps, schema_editor):
    make_booking_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """How much guests without an account may hold together: a hotel's share, and an index."""

    dependencies = [("bookings", "0012_account_addresses")]

    operations = [
        migrations.AddField(
            model_name="hotel",
            name="anonymous_hold_percent",
            field=models.PositiveSmallIntegerField(
                default=50,
                help_text="Where guests without an account hold more than this percentage of a category's rooms on a night, another one must confirm an e-mail address to hold one there.",
                validators=[django.core.validators.MaxValueValidator(100)],
                verbose_name="share of anonymous holds",
            ),
        ),
        migrations.RunPython(make_indexes, migrations.RunPython.noop),
    ]

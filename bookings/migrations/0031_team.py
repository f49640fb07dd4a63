import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from bookings.indexes import make_collection, make_log_indexes


def make_rest(apps, schema_editor):
    """The document that keeps the last owner, and the index of the log; safe to repeat."""
    database = schema_editor.connection.database
    make_collection(database, "leaving")
    make_log_indexes(database)


class Migration(migrations.Migration):
    """Sessions that end at once, and a log that is found by what was changed."""

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("admin", "0001_initial"),
        ("bookings", "0030_staff_hotels"),
    ]

    operations = [
        migrations.CreateModel(
            name="SessionStamp",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        db_column="_id",
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("stamp", models.CharField(editable=False, max_length=32)),
            ],
            options={"db_table": "session_stamps", "default_permissions": ()},
        ),
        migrations.RunPython(make_rest, migrations.RunPython.noop),
    ]

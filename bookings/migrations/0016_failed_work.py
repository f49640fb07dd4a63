from django.db import migrations, models

from bookings.indexes import make_failed_work_indexes


def make_indexes(apps, schema_editor):
    make_failed_work_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """What workers could not do has a list."""

    dependencies = [("bookings", "0015_desk_day")]

    operations = [
        migrations.CreateModel(
            name="FailedWork",
            fields=[
                (
                    "id",
                    models.CharField(
                        db_column="_id", max_length=120, primary_key=True, serialize=False
                    ),
                ),
                ("queue", models.CharField(max_length=20)),
                ("label", models.CharField(max_length=80, verbose_name="item")),
                ("error", models.CharField(max_length=80)),
                ("place", models.CharField(max_length=80)),
                ("tries", models.PositiveSmallIntegerField()),
                ("first_failed_at", models.DateTimeField()),
                ("failed_at", models.DateTimeField(verbose_name="last failed at")),
                ("next_try_at", models.DateTimeField(null=True)),
                ("is_over", models.BooleanField()),
            ],
            options={
                "verbose_name": "failed work",
                "verbose_name_plural": "failed work",
                "db_table": "failed_work",
                "ordering": ["-failed_at"],
                "managed": False,
                "default_permissions": ("view", "delete"),
            },
        ),
        migrations.RunPython(make_indexes, migrations.RunPython.noop),
    ]

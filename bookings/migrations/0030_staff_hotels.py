import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """The hotels that staff belong to. Without a row an account belongs to all, as before."""

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("bookings", "0029_category_names"),
    ]

    operations = [
        migrations.CreateModel(
            name="StaffHotels",
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
                ("hotels", models.JSONField(editable=False)),
            ],
            options={"db_table": "staff_hotels", "default_permissions": ()},
        ),
    ]

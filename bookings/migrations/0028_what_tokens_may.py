from django.db import migrations, models


class Migration(migrations.Migration):
    """Older tokens get no value, and may do everything. The release before passes over these."""

    dependencies = [("bookings", "0027_changes_of_a_partner")]

    operations = [
        migrations.AddField("apitoken", "scopes", models.JSONField(null=True, editable=False)),
        migrations.AddField("apitoken", "hotels", models.JSONField(null=True, editable=False)),
        migrations.AddField("apitoken", "ends_at", models.DateTimeField(null=True, editable=False)),
    ]

from django.db import migrations

from bookings.models import TextsField


class Migration(migrations.Migration):
    """Names of categories in other languages. The release before shows the first name to everyone.

    Nothing is written: a category without the field has none, and MongoDB refuses to set an empty
    document by the backend's own step.
    """

    dependencies = [("bookings", "0028_what_tokens_may")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    "roomcategory",
                    "names",
                    TextsField(
                        "name in other languages",
                        max_length=200,
                        help_text="Guests who read another language see this name in place of the "
                        "first.",
                    ),
                ),
            ]
        )
    ]

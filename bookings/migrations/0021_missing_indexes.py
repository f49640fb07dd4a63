from django.db import migrations

from bookings.indexes import make_account_indexes, make_delivery_indexes, make_session_indexes


def make_indexes(apps, schema_editor):
    make_account_indexes(schema_editor.connection.database)
    make_delivery_indexes(schema_editor.connection.database)
    make_session_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """Indexes for queries that read whole collections. The release before uses them, too."""

    dependencies = [("bookings", "0020_partners_lists"), ("sessions", "0001_initial")]

    operations = [migrations.RunPython(make_indexes, migrations.RunPython.noop)]

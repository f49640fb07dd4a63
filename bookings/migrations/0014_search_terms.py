from django.db import migrations

from bookings.indexes import make_booking_indexes
from bookings.stays.writing.guest_details import refresh_search_terms


def find_by_terms(apps, schema_editor):
    database = schema_editor.connection.database
    make_booking_indexes(database)
    refresh_search_terms()
    # Last, so that the release before this one finds guests until then.
    for name in {"guests_by_words", "bookings_by_address"} & database["bookings"].index_information().keys():
        database["bookings"].drop_index(name)


class Migration(migrations.Migration):
    """Guests are found by terms that stand beside them, and by their address in one spelling; each
    step may be stopped and repeated."""

    dependencies = [("bookings", "0013_anonymous_holds")]

    operations = [migrations.RunPython(find_by_terms, migrations.RunPython.noop)]

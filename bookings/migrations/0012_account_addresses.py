from collections import defaultdict

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import migrations

from bookings.domain.email_addresses import normalise_address
from bookings.indexes import make_account_indexes


def normalise(apps, schema_editor):
    """Safe to repeat: nothing is written before all of it is known to fit."""
    users = schema_editor.connection.database["auth_user"]
    owners = defaultdict(list)
    for user in users.find({}, {"username": 1, "email": 1}).sort("_id"):
        # Letters went to accounts without an address by their name, if it was one.
        written = user.get("email") or user["username"]
        try:
            address = normalise_address(written)
        except ValidationError:
            continue  # no letter can be sent there; the doctor names it
        owners[address].append(user)
    _take_names_from_addresses(owners)
    shared = {address: found for address, found in owners.items() if len(found) > 1}
    if shared:
        named = "; ".join(
            f"{address} of {', '.join(user['username'] for user in found)}"
            for address, found in sorted(shared.items())
        )
        raise CommandError(
            f"Several accounts have one address: {named}. Give each account an address of its "
            "own, or none, in the admin of the release that runs, and migrate again. Nothing was "
            "changed."
        )
    for address, (user,) in owners.items():
        if user.get("email") != address:
            users.update_one({"_id": user["_id"]}, {"$set": {"email": address}})
    make_account_indexes(schema_editor.connection.database)


def _take_names_from_addresses(owners):
    """What one account is called by may be another's address: that one has it, then."""
    for address, found in owners.items():
        with_it = [user for user in found if user.get("email")]
        if with_it and len(found) > len(with_it):
            owners[address] = with_it


class Migration(migrations.Migration):
    """Accounts are found by their normalised address, exactly, and an address is one account's."""

    dependencies = [
        ("bookings", "0011_back_office"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.RunPython(normalise, migrations.RunPython.noop)]

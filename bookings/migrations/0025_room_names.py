import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

from bookings.indexes import make_room_indexes

MAX_NAME = 200


def name_rooms(apps, schema_editor):
    """Gives each room its hotel, and a name that no other room of the hotel has.

    Of rooms with one name, the first by id keeps it; the others add their id. Safe to repeat: what
    has its hotel is left alone.
    """
    database = schema_editor.connection.database
    rooms = database["rooms"]
    rooms.update_many({"name": {"$in": [None, ""]}}, [{"$set": {"name": "$_id"}}])
    hotels = {one["_id"]: one["hotel_id"] for one in database["room_categories"].find()}
    taken = {}
    for room in rooms.find({"hotel_id": {"$type": "string"}}).sort("_id", 1):
        taken.setdefault(room["hotel_id"], set()).add(room["name"])
    for room in rooms.find({"hotel_id": None}).sort("_id", 1):
        hotel = hotels.get(room["category_id"])
        if hotel is None:
            continue
        name, others = room["name"], taken.setdefault(hotel, set())
        if name in others:
            name = f"{name[: MAX_NAME - 70]} ({room['_id']})"
        others.add(name)
        rooms.update_one(
            {"_id": room["_id"], "category_id": room["category_id"]},
            {"$set": {"hotel_id": hotel, "name": name}},
        )


def make_indexes(apps, schema_editor):
    make_room_indexes(schema_editor.connection.database)


class Migration(migrations.Migration):
    """A room says which hotel it is in, and its name is unique there.

    The release before goes on adding rooms without a hotel. The index leaves them out.
    """

    dependencies = [("bookings", "0024_brand")]

    operations = [
        # The field is null until it is known; the backend's own step would write null.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    model_name="room",
                    name="hotel",
                    field=models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="bookings.hotel",
                    ),
                ),
                # A hotel without the field is open, also one that the release before adds.
                migrations.AddField(
                    model_name="hotel",
                    name="is_open",
                    field=models.BooleanField(
                        default=True, editable=False, verbose_name="open for booking"
                    ),
                ),
                migrations.AlterField(
                    model_name="room",
                    name="name",
                    field=models.CharField(
                        help_text="What guests and staff read, such as 101.", max_length=200
                    ),
                ),
                migrations.AlterField(
                    model_name="roomcategory",
                    name="default_price",
                    field=models.PositiveIntegerField(
                        default=10_000,
                        validators=[django.core.validators.MaxValueValidator(1_000_000_000)],
                    ),
                ),
                migrations.AlterField(
                    model_name="night",
                    name="price",
                    field=models.PositiveIntegerField(
                        validators=[django.core.validators.MaxValueValidator(1_000_000_000)]
                    ),
                ),
            ]
        ),
        migrations.RunPython(name_rooms, migrations.RunPython.noop),
        migrations.RunPython(make_indexes, migrations.RunPython.noop),
    ]

"""The indexes of `bookings`, each with its reason. Every one taxes the insert."""

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database

from bookings.documents import ACTIVE, BLOCK, PENDING


def booking_indexes() -> list[IndexModel]:
    """What must exist before the first booking."""
    return [
        # Promise 1: one active booking for each room and night. Multikey, so it holds for
        # every slot of a stay, across documents; cancelled and expired ones are left out.
        _unique(
            [("hotel", ASCENDING), ("slots", ASCENDING)],
            name="one_active_booking_per_slot",
            where={"status": {"$in": list(ACTIVE)}},
        ),
        # Promise 2: one booking for each key. Without the hotel, since a retry may carry
        # another payload. With $type in place of $exists the planner would not use it.
        _unique(
            [("keys.digest", ASCENDING)],
            name="one_booking_per_key",
            where={"keys.digest": {"$exists": True}},
        ),
        # Found by whoever reads it out at the desk.
        _unique([("reference", ASCENDING)], name="one_booking_per_reference"),
        # The list of one's own bookings, newest first.
        IndexModel([("owner", ASCENDING), ("_id", DESCENDING)], name="bookings_of_an_owner"),
        # The sweep over holds that ran out; confirmed bookings are not in it.
        IndexModel(
            [("status", ASCENDING), ("expires_at", ASCENDING)],
            name="holds_by_end",
            partialFilterExpression={"status": PENDING},
        ),
        # How many live holds somebody has, and which; only holds pay for it.
        IndexModel(
            [("owner", ASCENDING), ("user_id", ASCENDING), ("expires_at", ASCENDING)],
            name="holds_of_an_owner",
            partialFilterExpression={"status": PENDING},
        ),
        # The few blocks among all the bookings, for their list; no booking pays for it.
        IndexModel(
            [("kind", ASCENDING), ("_id", DESCENDING)],
            name="blocks",
            partialFilterExpression={"kind": BLOCK},
        ),
    ]


def make_booking_indexes(database: Database) -> None:
    """Makes the collections and their indexes; safe to repeat. Never inside a transaction."""
    for name in {"bookings", "holders"}.difference(database.list_collection_names()):
        database.create_collection(name)
    database["bookings"].create_indexes(booking_indexes())
    # Who holds rooms is of interest only while a hold can live.
    database["holders"].create_indexes(
        [IndexModel("last_hold_at", name="forgotten_later", expireAfterSeconds=2 * 60 * 60)]
    )


def _unique(
    keys: list[tuple[str, int]], *, name: str, where: dict[str, Any] | None = None
) -> IndexModel:
    options: dict[str, Any] = {"name": name, "unique": True}
    if where:
        options["partialFilterExpression"] = where
    return IndexModel(keys, **options)

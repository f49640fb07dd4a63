"""The indexes of `bookings`, each with its reason. Every one taxes the insert."""

from datetime import timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database

from bookings.documents import ACTIVE, BLOCK, PENDING

# How long a letter is kept, and its link opens something: until the next evening at least.
LETTER_LIFE = timedelta(hours=24)

# How long a delivery is kept, made or not: long enough for a partner who was away on holiday.
DELIVERY_LIFE = timedelta(days=30)

# Every guest there can be.
OF_GUESTS = {"owner": {"$gte": "guest:", "$lt": "guest:\uffff"}}


def guests_with_address(address: str) -> dict[str, Any]:
    """Guests' bookings with this address, in its one spelling."""
    return {**OF_GUESTS, "guest.email": address}


def with_address_from(beginning: str) -> dict[str, Any]:
    """Anybody's bookings whose address begins so, in its one spelling."""
    return {"guest.email": {"$gte": beginning, "$lt": f"{beginning}\uffff"}}


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
        # What guests hold of a category around some nights: where it is much, they have to say who
        # they are. Nothing but their holds pays for it.
        IndexModel(
            [("rooms.category", ASCENDING), ("check_out", ASCENDING)],
            name="guests_holds_of_a_category",
            partialFilterExpression={"status": PENDING, **OF_GUESTS},
        ),
        # The few blocks among all the bookings, for their list; no booking pays for it.
        IndexModel(
            [("kind", ASCENDING), ("_id", DESCENDING)],
            name="blocks",
            partialFilterExpression={"kind": BLOCK},
        ),
        # By the guest's address: for the desk, which types its beginning; and with the owner a
        # guest's earlier bookings, once an account has proved that the address is theirs, and
        # for who lost the links. Bookings without an address do not pay for it.
        IndexModel(
            [("guest.email", ASCENDING), ("owner", ASCENDING)],
            name="bookings_by_guest_address",
            partialFilterExpression={"guest.email": {"$gt": ""}},
        ),
        # By the beginning of a name or a phone number, for the desk; the terms stand beside the
        # guest and go with them. The id shows the newest ones without reading the bookings.
        IndexModel(
            [("search_terms", ASCENDING), ("_id", DESCENDING)],
            name="guests_by_terms",
            partialFilterExpression={"search_terms": {"$exists": True}},
        ),
        # What the relay looks for every few seconds; a booking with nothing to tell is not in it.
        IndexModel(
            [("outbox.due_at", ASCENDING)],
            name="outboxes",
            partialFilterExpression={"outbox.due_at": {"$exists": True}},
        ),
    ]


def make_booking_indexes(database: Database) -> None:
    """Makes the collections and their indexes; safe to repeat. Never inside a transaction."""
    for name in {"bookings", "holders"}.difference(database.list_collection_names()):
        database.create_collection(name)
    database["bookings"].create_indexes(booking_indexes())
    # What one of them took over; dropped after that is there, so that nobody goes without.
    if "guests_by_address" in database["bookings"].index_information():
        database["bookings"].drop_index("guests_by_address")
    # Who holds rooms, and from where, is of interest only while a hold can live.
    database["holders"].create_indexes(
        [IndexModel("last_hold_at", name="forgotten_later", expireAfterSeconds=2 * 60 * 60)]
    )


def account_indexes() -> list[IndexModel]:
    """Of `auth_user`, besides those that Django makes."""
    return [
        # A letter about an account goes to its address, so one address is one account's. Accounts
        # are found by it; those without one are not in it.
        _unique(
            [("email", ASCENDING)], name="one_account_per_address", where={"email": {"$gt": ""}}
        ),
    ]


def make_account_indexes(database: Database) -> None:
    """Makes them; safe to repeat. Raises DuplicateKeyError if two accounts have one address."""
    database["auth_user"].create_indexes(account_indexes())


def make_letter_indexes(database: Database) -> None:
    """Makes the collection of letters and its indexes; safe to repeat."""
    if "letters" not in database.list_collection_names():
        database.create_collection("letters")
    database["letters"].create_indexes(
        [
            # The worker looks every few seconds; letters that were sent are not in it.
            IndexModel(
                "next_try_at",
                name="letters_to_send",
                partialFilterExpression={"next_try_at": {"$type": "date"}},
            ),
            # A letter's link ends with it.
            IndexModel(
                "created_at",
                name="forgotten_later",
                expireAfterSeconds=int(LETTER_LIFE.total_seconds()),
            ),
        ]
    )


def make_log_indexes(database: Database) -> None:
    """Makes the indexes of the admin's log, which is read newest first; safe to repeat."""
    newest_first = [("action_time", DESCENDING), ("_id", DESCENDING)]
    database["django_admin_log"].create_indexes(
        [
            IndexModel(newest_first, name="newest_actions"),
            IndexModel([("user_id", ASCENDING), *newest_first], name="newest_actions_of_a_user"),
            IndexModel(
                [("action_flag", ASCENDING), *newest_first], name="newest_actions_of_a_kind"
            ),
        ]
    )


def make_delivery_indexes(database: Database) -> None:
    """Makes the collection of deliveries and its indexes; safe to repeat."""
    if "deliveries" not in database.list_collection_names():
        database.create_collection("deliveries")
    database["deliveries"].create_indexes(
        [
            # What is due on one channel, and there for one partner; settled ones are not in it.
            IndexModel(
                [("channel", ASCENDING), ("to", ASCENDING), ("next_try_at", ASCENDING)],
                name="deliveries_to_make",
                partialFilterExpression={"next_try_at": {"$type": "date"}},
            ),
            # The admin's list, and there those that failed.
            IndexModel(
                [("state", ASCENDING), ("created_at", ASCENDING)], name="deliveries_by_state"
            ),
            # The page of a booking shows what was told of it.
            IndexModel([("booking", ASCENDING), ("at", ASCENDING)], name="deliveries_of_a_booking"),
            IndexModel(
                "created_at",
                name="forgotten_later",
                expireAfterSeconds=int(DELIVERY_LIFE.total_seconds()),
            ),
        ]
    )


def make_failed_work_indexes(database: Database) -> None:
    """Makes the collection of failed work and its indexes; safe to repeat."""
    if "failed_work" not in database.list_collection_names():
        database.create_collection("failed_work")
    database["failed_work"].create_indexes(
        [
            # Which items of a queue are left alone, before each of its runs.
            IndexModel("queue", name="failed_work_of_a_queue"),
            # What nobody deals with goes with the deliveries of its days, and is tried again.
            IndexModel(
                "failed_at",
                name="forgotten_later",
                expireAfterSeconds=int(DELIVERY_LIFE.total_seconds()),
            ),
        ]
    )


def _unique(
    keys: list[tuple[str, int]], *, name: str, where: dict[str, Any] | None = None
) -> IndexModel:
    options: dict[str, Any] = {"name": name, "unique": True}
    if where:
        options["partialFilterExpression"] = where
    return IndexModel(keys, **options)

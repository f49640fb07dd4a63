"""The collections and indexes that the site makes itself, each with its reason.

Every index of `bookings` taxes the insert. Those of models are made by their migrations.
"""

from datetime import timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from bookings.domain.booking import ACTIVE, BLOCK, PENDING

# How long a letter is kept, and its link opens something: until the next evening at least.
LETTER_LIFE = timedelta(hours=24)

# How long a delivery is kept, made or not: long enough for a partner who was away on holiday.
DELIVERY_LIFE = timedelta(days=30)

# MongoDB's codes.
_NAMESPACE_EXISTS = 48
_IN_THE_WAY = frozenset({85, 86})

# Every guest there can be.
OF_GUESTS = {"owner": {"$gte": "guest:", "$lt": "guest:\uffff"}}


class IndexInTheWay(Exception):
    """Another index has the name or the fields of one that is to be made; it is never dropped
    unasked, since something may rest on it until there is another one."""


def make_collection(database: Database, name: str) -> None:
    """Makes it if it is not there. Never inside a transaction."""
    try:
        database.create_collection(name, check_exists=False)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


def make_indexes(collection: Collection, indexes: list[IndexModel]) -> None:
    """Makes those that are not there; raises IndexInTheWay if one is there that is not the same."""
    try:
        collection.create_indexes(indexes)
    except OperationFailure as error:
        if error.code not in _IN_THE_WAY:
            raise
        said = (error.details or {}).get("errmsg", "")
        raise IndexInTheWay(
            f"An index of {collection.name} is in the way of a new one; see whether anything needs "
            f"it, drop it, and run manage.py migrate again. MongoDB says: {said}"
        ) from error


def indexes_by_collection() -> dict[str, list[IndexModel]]:
    """All that are made here."""
    return {
        "bookings": booking_indexes(),
        "holders": holder_indexes(),
        "auth_user": account_indexes(),
        "letters": letter_indexes(),
        "django_admin_log": log_indexes(),
        "deliveries": delivery_indexes(),
        "failed_work": failed_work_indexes(),
    }


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


def holder_indexes() -> list[IndexModel]:
    """Who holds rooms, and from where, is of interest only while a hold can live."""
    return [IndexModel("last_hold_at", name="forgotten_later", expireAfterSeconds=2 * 60 * 60)]


def make_booking_indexes(database: Database) -> None:
    """Makes the collections and their indexes; safe to repeat. Never inside a transaction."""
    _make(database, "bookings", booking_indexes())
    # What one of them took over; dropped after that is there, so that nobody goes without.
    if "guests_by_address" in database["bookings"].index_information():
        database["bookings"].drop_index("guests_by_address")
    _make(database, "holders", holder_indexes())


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
    make_indexes(database["auth_user"], account_indexes())


def letter_indexes() -> list[IndexModel]:
    """Of `letters`."""
    return [
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


def make_letter_indexes(database: Database) -> None:
    """Makes the collection of letters and its indexes; safe to repeat."""
    _make(database, "letters", letter_indexes())


def log_indexes() -> list[IndexModel]:
    """Of the admin's log, which is read newest first, besides those that Django makes."""
    newest_first = [("action_time", DESCENDING), ("_id", DESCENDING)]
    return [
        IndexModel(newest_first, name="newest_actions"),
        IndexModel([("user_id", ASCENDING), *newest_first], name="newest_actions_of_a_user"),
        IndexModel([("action_flag", ASCENDING), *newest_first], name="newest_actions_of_a_kind"),
    ]


def make_log_indexes(database: Database) -> None:
    """Makes them; safe to repeat."""
    make_indexes(database["django_admin_log"], log_indexes())


def delivery_indexes() -> list[IndexModel]:
    """Of `deliveries`."""
    return [
        # What is due on one channel, and there for one partner; settled ones are not in it.
        IndexModel(
            [("channel", ASCENDING), ("to", ASCENDING), ("next_try_at", ASCENDING)],
            name="deliveries_to_make",
            partialFilterExpression={"next_try_at": {"$type": "date"}},
        ),
        # The admin's list, and there those that failed.
        IndexModel([("state", ASCENDING), ("created_at", ASCENDING)], name="deliveries_by_state"),
        # The page of a booking shows what was told of it.
        IndexModel([("booking", ASCENDING), ("at", ASCENDING)], name="deliveries_of_a_booking"),
        IndexModel(
            "created_at",
            name="forgotten_later",
            expireAfterSeconds=int(DELIVERY_LIFE.total_seconds()),
        ),
    ]


def make_delivery_indexes(database: Database) -> None:
    """Makes the collection of deliveries and its indexes; safe to repeat."""
    _make(database, "deliveries", delivery_indexes())


def failed_work_indexes() -> list[IndexModel]:
    """Of `failed_work`."""
    return [
        # Which items of a queue are left alone, before each of its runs.
        IndexModel("queue", name="failed_work_of_a_queue"),
        # What is left alone goes with the deliveries of its days, and is tried again.
        IndexModel(
            "failed_at",
            name="forgotten_later",
            expireAfterSeconds=int(DELIVERY_LIFE.total_seconds()),
        ),
    ]


def make_failed_work_indexes(database: Database) -> None:
    """Makes the collection of failed work and its indexes; safe to repeat."""
    _make(database, "failed_work", failed_work_indexes())


def _make(database: Database, name: str, indexes: list[IndexModel]) -> None:
    make_collection(database, name)
    make_indexes(database[name], indexes)


def _unique(
    keys: list[tuple[str, int]], *, name: str, where: dict[str, Any] | None = None
) -> IndexModel:
    options: dict[str, Any] = {"name": name, "unique": True}
    if where:
        options["partialFilterExpression"] = where
    return IndexModel(keys, **options)

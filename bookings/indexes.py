"""The collections and indexes that the site makes itself, each with its reason.

Every index of `bookings` slows the insert down. Migrations make the indexes of models.
"""

from datetime import timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from bookings.domain.booking import ACTIVE, BLOCK, PENDING

# How long a letter is kept and its link works: at least until the next evening.
LETTER_LIFE = timedelta(hours=24)

# How long a delivery is kept, sent or not: long enough for a partner who was on holiday.
DELIVERY_LIFE = timedelta(days=30)

# How long staff can undo a change of nights.
NIGHT_CHANGE_LIFE = timedelta(hours=24)

# MongoDB's error codes.
_NAMESPACE_EXISTS = 48
_IN_THE_WAY = frozenset({85, 86})

# The condition for bookings that belong to a partner, who may ask which have changed.
OF_PARTNERS = {"owner": {"$gte": "client:", "$lt": "client:\uffff"}}

# The condition for bookings that belong to a guest without an account.
OF_GUESTS = {"owner": {"$gte": "guest:", "$lt": "guest:\uffff"}}


class IndexInTheWay(Exception):
    """Another index has the name or the fields of a new one.

    It is never dropped automatically, since something may rely on it.
    """


def make_collection(database: Database, name: str) -> None:
    """Makes the collection if it is missing. Never call it inside a transaction."""
    try:
        database.create_collection(name, check_exists=False)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


def make_indexes(collection: Collection, indexes: list[IndexModel]) -> None:
    """Makes the indexes that are missing. Raises IndexInTheWay if a different one is there."""
    try:
        collection.create_indexes(indexes)
    except OperationFailure as error:
        if error.code not in _IN_THE_WAY:
            raise
        said = (error.details or {}).get("errmsg", "")
        raise IndexInTheWay(
            f"An index of {collection.name} is in the way of a new one; check that nothing needs "
            f"it, drop it, and run manage.py migrate again. MongoDB says: {said}"
        ) from error


def indexes_by_collection() -> dict[str, list[IndexModel]]:
    """All indexes that this module makes, by collection."""
    return {
        "bookings": booking_indexes(),
        "holders": holder_indexes(),
        "auth_user": account_indexes(),
        "django_session": session_indexes(),
        "letters": letter_indexes(),
        "django_admin_log": log_indexes(),
        "deliveries": delivery_indexes(),
        "failed_work": failed_work_indexes(),
        "rooms": room_indexes(),
        "guest_links": guest_link_indexes(),
        "night_changes": night_change_indexes(),
    }


def guests_with_address(address: str) -> dict[str, Any]:
    """The condition for guests' bookings with this e-mail address, in its one spelling."""
    return {**OF_GUESTS, "guest.email": address}


def with_address_from(beginning: str) -> dict[str, Any]:
    """The condition for all bookings whose e-mail address, in its one spelling, begins so."""
    return {"guest.email": {"$gte": beginning, "$lt": f"{beginning}\uffff"}}


def booking_indexes() -> list[IndexModel]:
    """The indexes of `bookings`, which must exist before the first booking."""
    return [
        # Promise 1: one active booking for each room and night. It is a multikey index, so it
        # compares every slot of a stay across documents. It leaves out cancelled and expired ones.
        _unique(
            [("hotel", ASCENDING), ("slots", ASCENDING)],
            name="one_active_booking_per_slot",
            where={"status": {"$in": list(ACTIVE)}},
        ),
        # Promise 2: one booking for each key. The hotel is not part of it, since a retry may have a
        # different payload. With $type instead of $exists the planner would not use it.
        _unique(
            [("keys.digest", ASCENDING)],
            name="one_booking_per_key",
            where={"keys.digest": {"$exists": True}},
        ),
        # For a guest who reads the reference out at the desk.
        _unique([("reference", ASCENDING)], name="one_booking_per_reference"),
        # For a caller's own list of bookings, newest first.
        IndexModel([("owner", ASCENDING), ("_id", DESCENDING)], name="bookings_of_an_owner"),
        # For the same list with a filter: by guest, by room, by night, by status. A partner has
        # tens of thousands of bookings, and each of these finds a few dozen.
        IndexModel(
            [("owner", ASCENDING), ("user_id", ASCENDING), ("_id", DESCENDING)],
            name="bookings_of_an_owner_by_user",
        ),
        IndexModel(
            [("owner", ASCENDING), ("rooms.room", ASCENDING), ("_id", DESCENDING)],
            name="bookings_of_an_owner_by_room",
        ),
        IndexModel(
            [("owner", ASCENDING), ("slots", ASCENDING)], name="bookings_of_an_owner_by_slot"
        ),
        IndexModel(
            [("owner", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)],
            name="bookings_of_an_owner_by_status",
        ),
        # A no-show's nights that were given back are no slots of the booking any longer.
        IndexModel(
            [("owner", ASCENDING), ("check_out", ASCENDING)],
            name="released_nights_of_an_owner",
            partialFilterExpression={"released_from": {"$gt": ""}},
        ),
        # For a partner's bookings in the order of their last change. Only partners' pay for it.
        IndexModel(
            [("owner", ASCENDING), ("updated_at", ASCENDING), ("_id", ASCENDING)],
            name="changes_of_a_partner",
            partialFilterExpression=OF_PARTNERS,
        ),
        # For the sweep over dead holds. Confirmed bookings are not in it.
        IndexModel(
            [("status", ASCENDING), ("expires_at", ASCENDING)],
            name="holds_by_end",
            partialFilterExpression={"status": PENDING},
        ),
        # For the live holds of one holder. Only holds pay for it.
        IndexModel(
            [("owner", ASCENDING), ("user_id", ASCENDING), ("expires_at", ASCENDING)],
            name="holds_of_an_owner",
            partialFilterExpression={"status": PENDING},
        ),
        # For what guests hold of a category around some nights, which decides whether there is a
        # crowd. Only their holds pay for it.
        IndexModel(
            [("rooms.category", ASCENDING), ("check_out", ASCENDING)],
            name="guests_holds_of_a_category",
            partialFilterExpression={"status": PENDING, **OF_GUESTS},
        ),
        # For the list of blocks, which are few among all bookings. No stay pays for it.
        IndexModel(
            [("kind", ASCENDING), ("_id", DESCENDING)],
            name="blocks",
            partialFilterExpression={"kind": BLOCK},
        ),
        # By the guest's e-mail address. The desk types its beginning. With the owner it finds a
        # guest's earlier bookings, after an account has proved the address, and for guests who have
        # lost their links. Bookings without an address do not pay for it.
        IndexModel(
            [("guest.email", ASCENDING), ("owner", ASCENDING)],
            name="bookings_by_guest_address",
            partialFilterExpression={"guest.email": {"$gt": ""}},
        ),
        # For the desk, by the beginning of a name or a phone number. The terms are stored beside
        # the guest's details and are erased with them. With the id the newest matches are found
        # without reading the bookings.
        IndexModel(
            [("search_terms", ASCENDING), ("_id", DESCENDING)],
            name="guests_by_terms",
            partialFilterExpression={"search_terms": {"$exists": True}},
        ),
        # For the relay, which looks every few seconds. Bookings without news are not in it.
        IndexModel(
            [("outbox.due_at", ASCENDING)],
            name="outboxes",
            partialFilterExpression={"outbox.due_at": {"$exists": True}},
        ),
    ]


def holder_indexes() -> list[IndexModel]:
    """The indexes of `holders`. A document is needed only as long as a hold can live."""
    return [IndexModel("last_hold_at", name="forgotten_later", expireAfterSeconds=2 * 60 * 60)]


def make_booking_indexes(database: Database) -> None:
    """Makes `bookings`, `holders` and their indexes; safe to repeat. Never call it inside a
    transaction."""
    _make(database, "bookings", booking_indexes())
    # A new index replaces this one, so it is dropped only after that exists.
    if "guests_by_address" in database["bookings"].index_information():
        database["bookings"].drop_index("guests_by_address")
    _make(database, "holders", holder_indexes())


def account_indexes() -> list[IndexModel]:
    """The indexes of `auth_user`, besides those that Django makes."""
    return [
        # Letters about an account go to its address, so each address belongs to one account. It
        # also finds accounts. Accounts without an address are not in it.
        _unique(
            [("email", ASCENDING)], name="one_account_per_address", where={"email": {"$gt": ""}}
        ),
        # For a login. Django's own index says with $type what is in it, so the planner does not use
        # it to find one name.
        IndexModel("username", name="accounts_by_name"),
        # For notes to the staff. Guests' accounts are not in it.
        IndexModel(
            "is_staff", name="accounts_of_staff", partialFilterExpression={"is_staff": True}
        ),
    ]


def make_account_indexes(database: Database) -> None:
    """Makes the indexes of `auth_user`; safe to repeat.

    Raises DuplicateKeyError if two accounts have the same address.
    """
    make_indexes(database["auth_user"], account_indexes())


def session_indexes() -> list[IndexModel]:
    """The indexes of `django_session`, besides those that Django makes."""
    return [
        # For every page of a visitor with a session, since the planner does not use Django's own.
        IndexModel("session_key", name="sessions_by_key"),
    ]


def make_session_indexes(database: Database) -> None:
    """Makes the indexes of `django_session`; safe to repeat."""
    make_indexes(database["django_session"], session_indexes())


def letter_indexes() -> list[IndexModel]:
    """The indexes of `letters`."""
    return [
        # For the worker, which looks every few seconds. Letters that were sent are not in it.
        IndexModel(
            "next_try_at",
            name="letters_to_send",
            partialFilterExpression={"next_try_at": {"$type": "date"}},
        ),
        # The link of a letter works as long as its document exists.
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
    """The indexes of the admin's log, besides those that Django makes. It is read newest first."""
    newest_first = [("action_time", DESCENDING), ("_id", DESCENDING)]
    return [
        IndexModel(newest_first, name="newest_actions"),
        IndexModel([("user_id", ASCENDING), *newest_first], name="newest_actions_of_a_user"),
        IndexModel([("action_flag", ASCENDING), *newest_first], name="newest_actions_of_a_kind"),
        # For what was done to one booking, or to one account.
        IndexModel([("object_id", ASCENDING), *newest_first], name="newest_actions_on_an_object"),
    ]


def make_log_indexes(database: Database) -> None:
    """Makes the indexes of the admin's log; safe to repeat."""
    make_indexes(database["django_admin_log"], log_indexes())


def delivery_indexes() -> list[IndexModel]:
    """The indexes of `deliveries`."""
    return [
        # For due deliveries on one channel, or for one partner. Settled ones are not in it.
        IndexModel(
            [("channel", ASCENDING), ("to", ASCENDING), ("next_try_at", ASCENDING)],
            name="deliveries_to_make",
            partialFilterExpression={"next_try_at": {"$type": "date"}},
        ),
        # For the admin's list, and its filter for failed ones.
        IndexModel([("state", ASCENDING), ("created_at", ASCENDING)], name="deliveries_by_state"),
        # For the page of a partner's webhooks, which shows the newest ones, settled or not.
        IndexModel(
            [
                *(("channel", ASCENDING), ("to", ASCENDING)),
                *(("created_at", DESCENDING), ("at", DESCENDING), ("version", DESCENDING)),
            ],
            name="newest_deliveries_of_a_partner",
        ),
        # For the page of a booking, which shows its deliveries.
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
    """The indexes of `failed_work`."""
    return [
        # For the items that a queue's run leaves alone.
        IndexModel("queue", name="failed_work_of_a_queue"),
        # A line lives as long as a delivery. After that its item is tried again.
        IndexModel(
            "failed_at",
            name="forgotten_later",
            expireAfterSeconds=int(DELIVERY_LIFE.total_seconds()),
        ),
    ]


def make_failed_work_indexes(database: Database) -> None:
    """Makes the collection of failed work and its indexes; safe to repeat."""
    _make(database, "failed_work", failed_work_indexes())


def room_indexes() -> list[IndexModel]:
    """The indexes of `rooms`, besides those that Django makes."""
    return [
        # People know a room by its name. Rooms of the release before say no hotel, and are left
        # out.
        _unique(
            [("hotel_id", ASCENDING), ("name", ASCENDING)],
            name="one_room_per_name",
            where={"hotel_id": {"$type": "string"}},
        ),
    ]


def make_room_indexes(database: Database) -> None:
    """Makes the indexes of `rooms`; safe to repeat."""
    make_indexes(database["rooms"], room_indexes())


def guest_link_indexes() -> list[IndexModel]:
    """The indexes of `guest_links`."""
    return [
        # For the other stays of a stay's guest; an erasure deletes what it finds by it.
        IndexModel("bookings", name="links_of_a_booking"),
    ]


def make_guest_indexes(database: Database) -> None:
    """Makes `guest_links`, its index and `retention_rules`; safe to repeat."""
    _make(database, "guest_links", guest_link_indexes())
    make_collection(database, "retention_rules")


def night_change_indexes() -> list[IndexModel]:
    """The indexes of `night_changes`."""
    return [
        # For the price calendar, which offers to undo a person's last change.
        IndexModel(
            [
                *(("hotel_id", ASCENDING), ("user_id", ASCENDING)),
                *(("created_at", DESCENDING), ("_id", DESCENDING)),
            ],
            name="newest_changes_of_a_person",
        ),
        IndexModel(
            "created_at",
            name="forgotten_later",
            expireAfterSeconds=int(NIGHT_CHANGE_LIFE.total_seconds()),
        ),
    ]


def make_night_change_indexes(database: Database) -> None:
    """Makes the collection of changes of nights and its indexes; safe to repeat."""
    _make(database, "night_changes", night_change_indexes())


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

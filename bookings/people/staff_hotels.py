"""The hotels that each member of the staff belongs to. Writes `staff_hotels`.

Someone who has no document belongs to all hotels, with those to come, as does each superuser. So
accounts from before stay as they were until a limit is set.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from pymongo.errors import DuplicateKeyError

from bookings.infrastructure.connections import collection

# The rights that someone with only some hotels can have; every other right is about the whole site.
# A new right belongs to the whole site until it is added here.
OF_A_HOTEL = frozenset(
    f"bookings.{action}_{model}"
    for model, actions in {
        "bookingrecord": ("view", "add", "change", "reprice"),
        "roomblock": ("view", "add", "change"),
        "deliveryrecord": ("view", "change"),
        "hotel": ("view", "change"),
        "hotelcontent": ("view", "add", "change"),
        "roomcategory": ("view", "add", "change", "delete"),
        "categorycontent": ("view", "add", "change"),
        "room": ("view", "add", "change", "delete"),
        "night": ("view", "add", "change", "delete"),
        "nightsjob": ("view", "add", "delete"),
        "photo": ("view", "add", "change", "delete"),
        "figures": ("view",),
    }.items()
    for action in actions
)

Hotels = frozenset[str] | None

_UNREAD = "unread"


class RightsOfTheWholeSite:
    """An authentication backend that only refuses: it keeps rights about the whole site from staff
    with only some hotels. Django asks it before the backend that knows roles and passwords."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        """Leaves logging in to the other backend."""

    def has_perm(self, user: User | AnonymousUser, permission: str, obj: Any = None) -> bool:
        """Raises PermissionDenied, or leaves the answer to the other backend."""
        if permission not in OF_A_HOTEL and hotels_of(user) is not None:
            raise PermissionDenied
        return False

    def has_module_perms(self, user: User | AnonymousUser, app_label: str) -> bool:
        """As `has_perm`, for the rights of an application."""
        if app_label != "bookings" and hotels_of(user) is not None:
            raise PermissionDenied
        return False


def hotels_of(user: Any) -> Hotels:
    """The ids of the hotels that the user belongs to; None means all. Asks once for a user object,
    and so once for a request."""
    if not user.is_authenticated or not user.is_staff or user.is_superuser:
        return None
    found: Hotels | str = getattr(user, "_hotels", _UNREAD)
    if isinstance(found, str):
        found = user._hotels = read_hotels(user.pk)
    return found


def read_hotels(user_id: Any) -> Hotels:
    """The hotels that this account is limited to, or None."""
    found = collection("staff_hotels").find_one({"_id": user_id})
    return frozenset(found["hotels"]) if found else None


def read_limits(user_ids: Iterable[Any]) -> dict[Any, frozenset[str]]:
    """The hotels of those of these accounts that are limited to some, by the accounts' ids."""
    limited = collection("staff_hotels").find({"_id": {"$in": list(user_ids)}})
    return {found["_id"]: frozenset(found["hotels"]) for found in limited}


def set_hotels(user_id: Any, hotels: Hotels, *, before: Hotels) -> bool:
    """Sets the hotels that the account belongs to. False if they are not those from before."""
    if before is None:
        return hotels is None or _limit(user_id, hotels)
    # Invitations add to the end of the list, so its order means nothing.
    seen = {"_id": user_id, "$expr": {"$setEquals": ["$hotels", sorted(before)]}}
    if hotels is None:
        return collection("staff_hotels").delete_one(seen).deleted_count == 1
    changed = collection("staff_hotels").update_one(seen, {"$set": {"hotels": sorted(hotels)}})
    return changed.matched_count == 1


def add_hotel(user_id: Any, hotel_id: str, *, is_new: bool) -> None:
    """Lets the account belong to this hotel as well. One that is new to the staff belongs to this
    hotel alone, also if a limit from an earlier time on the staff is left; one that belongs to all
    hotels still does."""
    limits = collection("staff_hotels")
    if is_new:
        limits.update_one({"_id": user_id}, {"$set": {"hotels": [hotel_id]}}, upsert=True)
    else:
        limits.update_one({"_id": user_id}, {"$addToSet": {"hotels": hotel_id}})


def add_all_hotels(user_id: Any) -> None:
    """Lets the account belong to all hotels."""
    collection("staff_hotels").delete_one({"_id": user_id})


def forget_hotel(hotel_id: str) -> None:
    """Takes a deleted hotel from every account, since a new hotel may get its id. An account that
    belonged to no other hotel then belongs to none."""
    collection("staff_hotels").update_many({"hotels": hotel_id}, {"$pull": {"hotels": hotel_id}})


def _limit(user_id: Any, hotels: Iterable[str]) -> bool:
    try:
        collection("staff_hotels").insert_one({"_id": user_id, "hotels": sorted(hotels)})
    except DuplicateKeyError:
        return False
    return True

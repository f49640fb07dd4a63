"""Changing the owner of bookings: to an account, or to the pseudonym of a deleted account."""

from typing import Any

from pymongo.client_session import ClientSession

from bookings.domain.booking import CANCELLED, CONFIRMED, MAX_HISTORY, PENDING
from bookings.domain.callers import Caller
from bookings.indexes import guests_with_address
from bookings.stays.hold_limits import HoldLimits, may_take_over
from bookings.stays.writing.versioned import AS_IT_IS, Write, in_transaction_of, write_versioned

# Bookings that are or were more than a hold. One without a hold never had an end.
_WAS_BOOKED: dict[str, Any] = {
    "$or": [
        {"status": CONFIRMED},
        {"status": CANCELLED, "expires_at": None},
        {"status": CANCELLED, "history.event": "confirmed"},
    ]
}


def adopt_bookings_of(guest: str, new_owner: Caller, *, limits: HoldLimits) -> int:
    """Gives all bookings of this guest to a user; returns how many.

    The guest keeps the holds if both together exceed the limits. Otherwise a person could hold any
    number of rooms by logging in from one browser after another. Raises NotAuthenticated if the
    user's account was deleted meanwhile.
    """
    holder = {"owner": str(new_owner), "user_id": new_owner.id}

    def adopt(session: ClientSession) -> int:
        with_holds = may_take_over(guest, holder, limits, session)
        condition = {"owner": guest, **({} if with_holds else {"status": {"$ne": PENDING}})}
        return write_versioned(Write(condition, AS_IT_IS, _adoption(new_owner)), session=session)

    return in_transaction_of(adopt, named=[str(new_owner)])


def adopt_bookings_for(address: str, new_owner: Caller) -> int:
    """Gives guests' bookings with this e-mail address to a user; returns how many.

    It leaves out holds; cancelled bookings count. Anyone can make a hold with any address: it would
    use up the new owner's limits, and they could not confirm it. Raises NotAuthenticated if the
    user's account was deleted meanwhile.
    """
    adoption = Write(
        {**guests_with_address(address), **_WAS_BOOKED}, AS_IT_IS, _adoption(new_owner)
    )
    return in_transaction_of(
        lambda session: write_versioned(adoption, session=session), named=[str(new_owner)]
    )


def _adoption(new_owner: Caller) -> list[dict[str, Any]]:
    """Changes the owner and adds a line to the history, unless the history is full."""
    line = {"at": "$$NOW", "event": "adopted", "actor": str(new_owner)}
    has_room = {"$lt": [{"$size": "$history"}, MAX_HISTORY]}
    return [
        {
            "$set": {
                "owner": str(new_owner),
                "user_id": new_owner.id,
                # Who follows the new owner's bookings has not seen it yet.
                "updated_at": "$$NOW",
                "history": {
                    "$cond": [has_room, {"$concatArrays": ["$history", [line]]}, "$history"]
                },
            }
        }
    ]


def replace_person(person: str, pseudonym: str) -> int:
    """Replaces the person with the pseudonym everywhere; returns in how many bookings.

    After `account_deletion.begin_deletion` has marked the person it misses none. Stored answers
    keep their bytes, and the guest's details stay. It reads every booking, since this does not
    justify an index. Safe to repeat.
    """

    def swapped(field: str) -> dict[str, Any]:
        return {"$cond": [{"$eq": [field, person]}, pseudonym, field]}

    change = {"$mergeObjects": ["$$change", {"actor": swapped("$$change.actor")}]}
    stands_in = {"$or": [{"owner": person}, {"caller": person}, {"history.actor": person}]}
    replaced = {
        "caller": swapped("$caller"),
        "owner": swapped("$owner"),
        # In a person's own bookings this is the id of their account.
        "user_id": {"$cond": [{"$eq": ["$owner", person]}, pseudonym, "$user_id"]},
        "history": {"$map": {"input": "$history", "as": "change", "in": change}},
    }
    return write_versioned(Write(stands_in, AS_IT_IS, [{"$set": replaced}]))

"""Whose bookings are: given to an account, or to the pseudonym of an account that is deleted."""

from typing import Any

from pymongo.client_session import ClientSession

from bookings.domain.booking import CANCELLED, CONFIRMED, MAX_HISTORY, PENDING
from bookings.domain.callers import Caller
from bookings.indexes import guests_with_address
from bookings.stays.hold_limits import HoldLimits, may_take_over
from bookings.stays.writing.versioned import AS_IT_IS, Write, in_transaction_of, write_versioned

# What is or was more than a hold. One that was booked at once never had an end.
_WAS_BOOKED: dict[str, Any] = {
    "$or": [
        {"status": CONFIRMED},
        {"status": CANCELLED, "expires_at": None},
        {"status": CANCELLED, "history.event": "confirmed"},
    ]
}


def adopt_bookings_of(guest: str, new_owner: Caller, *, limits: HoldLimits) -> int:
    """Gives everything that this guest owns to a user; returns how many bookings.

    Holds stay the guest's if both together hold more than the limits allow: else a person who logs
    in with one browser after the other would hold what they like. Raises NotAuthenticated if the
    user's account was deleted meanwhile.
    """
    holder = {"owner": str(new_owner), "user_id": new_owner.id}

    def adopt(session: ClientSession) -> int:
        with_holds = may_take_over(guest, holder, limits, session)
        condition = {"owner": guest, **({} if with_holds else {"status": {"$ne": PENDING}})}
        return write_versioned(Write(condition, AS_IT_IS, _adoption(new_owner)), session=session)

    return in_transaction_of(adopt, named=[str(new_owner)])


def adopt_bookings_for(address: str, new_owner: Caller) -> int:
    """Gives what guests have booked with this address to a user; returns how many bookings.

    Only what was booked, be it cancelled since. A hold can be made with anybody's address, would
    count among the new owner's, and could not be confirmed by them. Raises NotAuthenticated if the
    user's account was deleted meanwhile.
    """
    adoption = Write(
        {**guests_with_address(address), **_WAS_BOOKED}, AS_IT_IS, _adoption(new_owner)
    )
    return in_transaction_of(
        lambda session: write_versioned(adoption, session=session), named=[str(new_owner)]
    )


def _adoption(new_owner: Caller) -> list[dict[str, Any]]:
    """The owner changes and nothing else; a history that is full stays as it is."""
    line = {"at": "$$NOW", "event": "adopted", "actor": str(new_owner)}
    has_room = {"$lt": [{"$size": "$history"}, MAX_HISTORY]}
    return [
        {
            "$set": {
                "owner": str(new_owner),
                "user_id": new_owner.id,
                "history": {
                    "$cond": [has_room, {"$concatArrays": ["$history", [line]]}, "$history"]
                },
            }
        }
    ]


def replace_person(person: str, pseudonym: str) -> int:
    """Writes the pseudonym wherever the person stands; returns in how many bookings.

    It misses none once `people.begin_deletion` has marked the person. Answers that were given keep
    their bytes, and what the hotel knows of the guest stays. It reads every booking, since no index
    is worth having for it. Safe to repeat.
    """

    def swapped(field: str) -> dict[str, Any]:
        return {"$cond": [{"$eq": [field, person]}, pseudonym, field]}

    change = {"$mergeObjects": ["$$change", {"actor": swapped("$$change.actor")}]}
    stands_in = {"$or": [{"owner": person}, {"caller": person}, {"history.actor": person}]}
    replaced = {
        "caller": swapped("$caller"),
        "owner": swapped("$owner"),
        # A person's own bookings carry the id of their account here.
        "user_id": {"$cond": [{"$eq": ["$owner", person]}, pseudonym, "$user_id"]},
        "history": {"$map": {"input": "$history", "as": "change", "in": change}},
    }
    return write_versioned(Write(stands_in, AS_IT_IS, [{"$set": replaced}]))

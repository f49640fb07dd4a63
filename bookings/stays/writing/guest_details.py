"""Changing the guest's details and search terms in stored bookings."""

from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from bookings.catalogue import inventory
from bookings.domain.email_addresses import respell_address
from bookings.domain.search_terms import terms_of
from bookings.domain.stay_request import Guest
from bookings.infrastructure.connections import collection
from bookings.points import reached
from bookings.stays.writing.versioned import AS_IT_IS, Write, write_versioned

# The condition for bookings that no erasure has seen, or that have got details since. One without
# details may have remarks, links to others, and what was left of details that staff emptied.
IS_NOT_ERASED: Mapping[str, Any] = {
    "$or": [
        {"history.event": {"$ne": "erased"}},
        *({f"guest.{name}": {"$gt": ""}} for name in vars(Guest())),
        {"notes": {"$gt": ""}},
    ]
}

# One batch takes some tenths of a second.
TERMS_BATCH = 1_000


def erase_guests(condition: Mapping[str, Any], *, session: ClientSession | None = None) -> int:
    """Removes the guest's details from all bookings that meet the condition; returns how many.

    Stored answers keep their bytes; they do not contain the guest. The fingerprint of the request
    goes: anyone who knows the rest of the request could try names on it. Safe to repeat.
    """
    without_reason = {"$unsetField": {"field": "reason", "input": "$$change"}}
    without_digest = {"$mergeObjects": ["$$key", {"fingerprint": ""}]}
    line = {"at": "$$NOW", "event": "erased", "actor": "system"}
    erased = {
        "guest": {"$literal": vars(Guest())},
        "search_terms": "$$REMOVE",
        "notes": "",
        "former_addresses": "$$REMOVE",
        "updated_at": "$$NOW",
        "keys": {"$map": {"input": "$keys", "as": "key", "in": without_digest}},
        "history": {
            "$concatArrays": [
                {"$map": {"input": "$history", "as": "change", "in": without_reason}},
                [line],
            ]
        },
    }
    return write_versioned(Write(condition, AS_IT_IS, [{"$set": erased}]), session=session)


def refresh_search_terms() -> int:
    """Updates search terms and the spelling of addresses to those of a new booking.

    Returns how many bookings it changed. It works in batches by id, so it may be stopped and run
    again. A guest that is written meanwhile stays as written. The version stays, too: no one's
    decision depends on these fields, and an earlier release, which counts only lines, could not
    follow a version that a migration moved.
    """
    countries = inventory.hotel_countries()
    fields = dict.fromkeys(("hotel", "guest", "search_terms"), 1)
    changed, after = 0, ObjectId(bytes(12))
    while True:
        found = list(
            collection("bookings")
            .find({"_id": {"$gt": after}}, fields)
            .sort("_id")
            .limit(TERMS_BATCH)
        )
        if not found:
            return changed
        after = found[-1]["_id"]
        refreshed = [
            UpdateOne({"_id": document["_id"], "guest": document["guest"]}, update)
            for document in found
            if (update := _refreshing(document, countries.get(document.get("hotel"), "")))
        ]
        if refreshed:
            changed += collection("bookings").bulk_write(refreshed, ordered=False).modified_count
        reached("after_terms_batch")


def _refreshing(document: dict[str, Any], country: str) -> dict[str, Any] | None:
    """The update for a document with outdated terms or spelling, or None if it is up to date."""
    try:
        guest = Guest(**document["guest"])
        address = respell_address(guest.email)
        terms = terms_of(guest, country=country)
    except (AttributeError, KeyError, TypeError):
        return None  # A guest that cannot be parsed is left to the doctor.
    if (document.get("search_terms", []), guest.email) == (terms, address):
        return None
    if terms:
        return {"$set": {"guest.email": address, "country": country, "search_terms": terms}}
    return {"$set": {"guest.email": address}, "$unset": {"search_terms": ""}}

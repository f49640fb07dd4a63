"""Remarks that colleagues write on a booking for each other. Guests and partners never see them.

The remarks of a booking are one document of `remarks`, so that one update can refuse what comes too
late: a remark on a guest who is being erased, one more than a booking may have, or the same remark
a second time. docs/decisions/0060 has the reasons.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from bookings.domain import account_deletion
from bookings.domain.booking import Booking
from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.texts import BadText, read_lines
from bookings.points import reached
from bookings.refusals import Fault, InvalidIdempotencyKey, NotFound, TryAgain, ValidationFailed
from bookings.stays.keyed_change import find_to_change
from bookings.stays.outcomes import read_key
from idempotency import keys

MAX_REMARK = 1_000
# A page shows all of them, and so does the list of a day.
MAX_REMARKS = 100

# Two first remarks on one booking may meet; the second then finds the document of the first.
_ATTEMPTS = 3

_ERASED = "The guest’s details were erased, so nothing is noted about them any more."


@dataclass(frozen=True)
class Remark:
    """One remark. A deleted one keeps who deleted it and when, and no text."""

    id: str
    by: str
    at: datetime
    text: str = ""
    deleted_by: str = ""
    deleted_at: datetime | None = None

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


def add_remark(*, actor: Caller, booking_id: str, key_header: str | None, text: str) -> bool:
    """For staff: adds a remark once for each key; False if this key has added it before.

    Raises NotFound, InvalidIdempotencyKey, ValidationFailed or TryAgain; then nothing is added.
    """
    text = _judge_text(text)
    booking = _find(booking_id, actor)
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key for each remark.")
    if booking.is_erased:
        raise ValidationFailed([Fault("text", _ERASED)])
    remark_id = keys.digest_of(caller=str(actor), operation="remark", target=booking_id, key=key)
    reached("before_remark")
    remark = {"id": remark_id, "by": str(actor), "at": clock.now(), "text": text}
    takes_it = {
        "_id": booking.id,
        # Each erasure that closed the document must have erased the booking before it was read.
        # The guest may have given new details since then, as the booking that was read has some.
        "closings": {"$not": {"$gt": booking.erasures}},
        "remarks.id": {"$ne": remark_id},
        f"remarks.{MAX_REMARKS - 1}": {"$exists": False},
    }
    for _ in range(_ATTEMPTS):
        try:
            account_deletion.write_as(
                str(actor), lambda session: _push(takes_it, remark, session=session)
            )
        except DuplicateKeyError:
            # The booking has a document that does not take the remark, or that another made now.
            found = collection("remarks").find_one({"_id": booking.id}) or {}
            if any(each["id"] == remark_id for each in found.get("remarks", ())):
                return False
            if found.get("closings", 0) > booking.erasures:
                raise ValidationFailed([Fault("text", _ERASED)]) from None
            if len(found.get("remarks", ())) >= MAX_REMARKS:
                text = f"A booking has at most {MAX_REMARKS} remarks, deleted ones included."
                raise ValidationFailed([Fault("text", text)]) from None
        else:
            return True
    raise TryAgain


def delete_remark(*, actor: Caller, booking_id: str, remark_id: str, is_manager: bool) -> bool:
    """For staff: deletes a remark of the actor, or with `is_manager` anyone's. False if it was
    deleted before. Raises NotFound if there is none that the actor may delete."""
    booking = _find(booking_id, actor)
    now = clock.now()
    which: dict[str, Any] = {"id": remark_id, "deleted_at": {"$exists": False}}
    if not is_manager:
        which["by"] = str(actor)
    condition = {"_id": booking.id, "remarks": {"$elemMatch": which}}
    change = {
        "$set": {"remarks.$.deleted_by": str(actor), "remarks.$.deleted_at": now},
        "$unset": {"remarks.$.text": ""},
    }
    done = account_deletion.write_as(
        str(actor),
        lambda session: collection("remarks").update_one(condition, change, session=session),
    )
    if done.matched_count:
        return True
    for remark in list_remarks([booking.id]).get(booking.id, ()):
        if remark.id == remark_id and (is_manager or remark.by == str(actor)):
            return False
    raise NotFound


def list_remarks(bookings: Iterable[ObjectId]) -> dict[ObjectId, tuple[Remark, ...]]:
    """The remarks on these bookings, oldest first, in one look. Those without any are missing."""
    wanted = list(bookings)
    if not wanted:
        return {}
    found = collection("remarks").find({"_id": {"$in": wanted}})
    return {
        document["_id"]: tuple(Remark(**remark) for remark in document["remarks"])
        for document in found
        if document.get("remarks")
    }


def forget_remarks(bookings: Iterable[ObjectId], *, session: ClientSession) -> None:
    """Removes all remarks on these bookings, and takes none from those who read a booking before.
    The session's transaction erases the bookings; each closing is counted as one erasure."""
    closed = {"$set": {"remarks": []}, "$inc": {"closings": 1}}
    updates = [UpdateOne({"_id": booking_id}, closed, upsert=True) for booking_id in bookings]
    if updates:
        collection("remarks").bulk_write(updates, ordered=False, session=session)


def say_something_is_noted(booking: Booking, *, session: ClientSession) -> None:
    """Writes the document that an erasure of the booking writes, too: of two transactions at once
    the later one sees the other. Raises DuplicateKeyError if the booking was erased since it was
    read."""
    collection("remarks").update_one(
        {"_id": booking.id, "closings": {"$not": {"$gt": booking.erasures}}},
        {"$inc": {"noted": 1}},
        upsert=True,
        session=session,
    )


def replace_author(person: str, pseudonym: str) -> None:
    """Replaces the person with the pseudonym in all remarks, as in the bookings' history.

    It reads every remark, since this does not justify an index. Safe to repeat.
    """

    def if_by(field: str) -> dict[str, Any]:
        return {"$cond": [{"$eq": [f"$$remark.{field}", person]}, {field: pseudonym}, {}]}

    changed = {"$mergeObjects": ["$$remark", if_by("by"), if_by("deleted_by")]}
    collection("remarks").update_many(
        {"$or": [{"remarks.by": person}, {"remarks.deleted_by": person}]},
        [{"$set": {"remarks": {"$map": {"input": "$remarks", "as": "remark", "in": changed}}}}],
    )


def _push(takes_it: dict[str, Any], remark: dict[str, Any], *, session: ClientSession) -> None:
    collection("remarks").update_one(
        takes_it, {"$push": {"remarks": remark}}, upsert=True, session=session
    )


def _find(booking_id: str, actor: Caller) -> Booking:
    return find_to_change(booking_id, actor, as_staff=True)


def _judge_text(text: str) -> str:
    try:
        text = read_lines(text.strip())
    except BadText as bad:
        raise ValidationFailed([Fault("text", str(bad))]) from None
    if not text:
        raise ValidationFailed([Fault("text", "Write something.")])
    if len(text) > MAX_REMARK:
        raise ValidationFailed([Fault("text", f"A remark has at most {MAX_REMARK} characters.")])
    return text

"""One person's stays: those with the same e-mail address, and those that staff joined.

Bookings keep the guests' data; a link names two bookings and says in a note why they are one
person's. Writes `guest_links`. A link is deleted before the data of one of its bookings is erased.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId

from bookings.domain.booking import STAY, Booking, from_document
from bookings.domain.callers import Caller
from bookings.domain.stay_request import Guest
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.points import reached
from bookings.refusals import Fault, ValidationFailed

MAX_NOTE = 500

# More stays than any person has; a shared address of a travel agency has more.
MAX_STAYS = 200

Hotels = Collection[str] | None


@dataclass(frozen=True)
class GuestLink:
    """Two bookings that staff said are one person's. `by` is the label of the caller."""

    id: str
    bookings: tuple[ObjectId, ObjectId]
    note: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Person:
    """The stays of one person, the latest arrival first, with the links between them.

    `is_cut` says that there are more than MAX_STAYS.
    """

    stays: tuple[Booking, ...]
    links: tuple[GuestLink, ...]
    is_cut: bool

    @property
    def addresses(self) -> list[str]:
        """The e-mail addresses of the stays, sorted."""
        return sorted({stay.guest.email for stay in self.stays if stay.guest.email})


def find_person(booking_id: str, *, hotels: Hotels) -> Person | None:
    """The person who has this stay; None if there is no such stay at these hotels.

    Only stays and links at these hotels are followed; None means all hotels.
    """
    first = _find_stays([_id_of(booking_id)], hotels=hotels, limit=1)
    known = {stay.id: stay for stay in first}
    links: dict[str, GuestLink] = {}
    asked: set[str] = set()
    found = first
    while found and len(known) <= MAX_STAYS:
        addresses = {stay.guest.email for stay in found if stay.guest.email} - asked
        asked |= addresses
        new_links = _find_links(stay.id for stay in found)
        links |= {link.id: link for link in new_links}
        linked = {each for link in new_links for each in link.bookings} - known.keys()
        found = [
            stay
            for stay in _find_stays(linked, addresses=addresses, hotels=hotels, limit=MAX_STAYS + 1)
            if stay.id not in known
        ]
        known |= {stay.id: stay for stay in found}
    if not known:
        return None
    stays = sorted(known.values(), key=lambda stay: (stay.check_in, stay.id), reverse=True)
    shown = tuple(link for link in links.values() if known.keys() >= set(link.bookings))
    return Person(tuple(stays[:MAX_STAYS]), shown, is_cut=len(stays) > MAX_STAYS)


def join(one_id: str, other_id: str, *, note: str, by: Caller) -> bool:
    """Says that two stays are one person's, once; False if that was said before.

    Raises ValidationFailed if one of them is unknown at the caller's hotels or has no guest's data
    any more, or if the note is too long.
    """
    if len(note) > MAX_NOTE:
        raise ValidationFailed([Fault("note", f"At most {MAX_NOTE} characters.")])
    pair = sorted({_id_of(one_id), _id_of(other_id)})
    if len(pair) != 2:
        raise ValidationFailed([Fault("other", "Choose another stay than this one.")])
    _judge(pair, by)
    link = {"bookings": pair, "note": note, "by": str(by), "at": clock.now()}
    link_id = "|".join(map(str, pair))
    written = collection("guest_links").update_one(
        {"_id": link_id}, {"$setOnInsert": link}, upsert=True
    )
    reached("after_link")
    # An erasure deletes links first and data then, so at least one of the two sees the other.
    try:
        _judge(pair, by)
    except ValidationFailed:
        collection("guest_links").delete_one({"_id": link_id})
        raise
    return written.upserted_id is not None


def part(link_id: str, *, by: Caller) -> bool:
    """Takes a link back; False if it is not there, or not at the caller's hotels."""
    found = collection("guest_links").find_one({"_id": link_id})
    if found is None or len(_find_stays(found["bookings"], hotels=by.hotels, limit=2)) != 2:
        return False
    return collection("guest_links").delete_one({"_id": link_id}).deleted_count == 1


def forget_links(booking_ids: Collection[ObjectId]) -> None:
    """Deletes every link of these bookings."""
    collection("guest_links").delete_many({"bookings": {"$in": list(booking_ids)}})


def find_stays(booking_ids: Collection[ObjectId], *, hotels: Hotels) -> list[Booking]:
    """The stays with these ids at these hotels, the latest arrival first."""
    found = _find_stays(booking_ids, hotels=hotels, limit=MAX_STAYS)
    return sorted(found, key=lambda stay: (stay.check_in, stay.id), reverse=True)


def _judge(pair: list[ObjectId], by: Caller) -> None:
    stays = _find_stays(pair, hotels=by.hotels, limit=2)
    if len(stays) != 2:
        raise ValidationFailed([Fault("other", "There is no such stay.")])
    if any(stay.guest == Guest() for stay in stays):
        raise ValidationFailed([Fault("other", "This stay has no guest’s name or address.")])


def _find_stays(
    ids: Iterable[ObjectId],
    *,
    addresses: Collection[str] = (),
    hotels: Hotels,
    limit: int,
) -> list[Booking]:
    where: dict[str, Any] = {"kind": STAY}
    if hotels is not None:
        where["hotel"] = {"$in": sorted(hotels)}
    # Two questions, each with an index of its own.
    questions: list[dict[str, Any]] = [{"_id": {"$in": list(ids)}}]
    if addresses:
        questions.append({"guest.email": {"$in": sorted(addresses)}})
    found: dict[ObjectId, Booking] = {}
    for question in questions:
        for document in collection("bookings").find({**question, **where}).limit(limit):
            found[document["_id"]] = from_document(document)
    return list(found.values())


def _find_links(booking_ids: Iterable[ObjectId]) -> list[GuestLink]:
    found = collection("guest_links").find({"bookings": {"$in": list(booking_ids)}})
    return [
        GuestLink(each["_id"], tuple(each["bookings"]), each["note"], each["by"], each["at"])
        for each in found.limit(MAX_STAYS)
    ]


def _id_of(text: str) -> ObjectId:
    """The id; of a text that is none, an id that nothing has."""
    try:
        return ObjectId(text)
    except InvalidId:
        return ObjectId(bytes(12))

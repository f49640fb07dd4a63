"""One person's stays: those with the same e-mail address, and those that staff joined.

Bookings keep the guests' data; a link names two bookings and says in a note why they are one
person's. Writes `guest_links`. An erasure deletes the links of the bookings that it erases.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from bookings.domain.booking import STAY, Booking, from_document
from bookings.domain.callers import Caller
from bookings.domain.stay_request import Guest
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb.transactions import in_transaction
from bookings.points import reached
from bookings.refusals import Fault, ValidationFailed
from bookings.stays import remarks

MAX_NOTE = 500

# More stays than any person has; a shared address of a travel agency has more.
MAX_STAYS = 200

# Staff join stays one by one.
MAX_LINKS = 1_000

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

    `asked` is the stay that was asked for, whether it is among these or not. `is_cut` says that
    there are more than MAX_STAYS, or too many links to follow.
    """

    asked: Booking
    stays: tuple[Booking, ...]
    links: tuple[GuestLink, ...]
    is_cut: bool

    @property
    def names(self) -> list[str]:
        """The names of the guest in the stays, each once in upper or lower case, sorted."""
        spelled = {stay.guest.name.casefold(): stay.guest.name for stay in self.stays}
        return sorted(name for name in spelled.values() if name)

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
    is_cut = False
    found = first
    while found and len(known) <= MAX_STAYS:
        addresses = {stay.guest.email for stay in found if stay.guest.email} - asked
        asked |= addresses
        new_links = _find_links(stay.id for stay in found)
        is_cut = is_cut or len(new_links) > MAX_LINKS
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
    is_cut = is_cut or len(stays) > MAX_STAYS
    return Person(first[0], tuple(stays[:MAX_STAYS]), shown, is_cut=is_cut)


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
    stays = _judge(pair, by)
    link = {
        "_id": "|".join(map(str, pair)),
        "bookings": pair,
        "note": note,
        "by": str(by),
        "at": clock.now(),
    }
    try:
        return in_transaction(lambda session: _write(link, stays, session))
    except DuplicateKeyError:
        # The same link, or a booking that was erased a moment ago.
        _judge(pair, by)
        return False


def _write(link: dict[str, Any], stays: Iterable[Booking], session: ClientSession) -> bool:
    links = collection("guest_links")
    if links.find_one({"_id": link["_id"]}, session=session):
        return False
    for stay in stays:
        remarks.say_something_is_noted(stay, session=session)
    reached("before_link")
    links.insert_one(link, session=session)
    return True


def part(link_id: str, *, by: Caller) -> bool:
    """Takes a link back; False if it is not there, or not at the caller's hotels."""
    found = collection("guest_links").find_one({"_id": link_id})
    if found is None or len(_find_stays(found["bookings"], hotels=by.hotels, limit=2)) != 2:
        return False
    return collection("guest_links").delete_one({"_id": link_id}).deleted_count == 1


def forget_links(
    booking_ids: Collection[ObjectId],
    *,
    besides_among: Collection[ObjectId] = (),
    session: ClientSession | None = None,
) -> None:
    """Deletes every link of these bookings, besides those between two of `besides_among`."""
    condition: dict[str, Any] = {"bookings": {"$in": list(booking_ids)}}
    if besides_among:
        is_kept = {"$setIsSubset": ["$bookings", list(besides_among)]}
        condition["$expr"] = {"$not": [is_kept]}
    collection("guest_links").delete_many(condition, session=session)


def replace_author(person: str, pseudonym: str) -> None:
    """Replaces the label of a deleted account in all links, which are few; safe to repeat."""
    collection("guest_links").update_many({"by": person}, {"$set": {"by": pseudonym}})


def find_stays(booking_ids: Collection[ObjectId], *, hotels: Hotels) -> list[Booking]:
    """The stays with these ids at these hotels, the latest arrival first."""
    found = _find_stays(booking_ids, hotels=hotels, limit=MAX_STAYS)
    return sorted(found, key=lambda stay: (stay.check_in, stay.id), reverse=True)


def _judge(pair: list[ObjectId], by: Caller) -> list[Booking]:
    stays = _find_stays(pair, hotels=by.hotels, limit=2)
    if len(stays) != 2:
        raise ValidationFailed([Fault("other", "There is no such stay.")])
    if any(stay.guest == Guest() for stay in stays):
        raise ValidationFailed([Fault("other", "This stay has no guest’s name or address.")])
    return stays


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
        for each in found.limit(MAX_LINKS + 1)
    ]


def _id_of(text: str) -> ObjectId:
    """The id; of a text that is none, an id that nothing has."""
    try:
        return ObjectId(text)
    except InvalidId:
        return ObjectId(bytes(12))

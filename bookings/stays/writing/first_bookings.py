"""Writing the bookings that a demo hotel begins with, among them stays of the past."""

from collections.abc import Sequence

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from bookings.domain.booking import Booking, to_document
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb.transactions import in_transaction


def write_first_bookings(hotel: str, bookings: Sequence[Booking]) -> bool:
    """Writes all of them, or none if the hotel has any booking. Returns whether it wrote them.

    They bring no news: no mail is sent and no webhook. Nothing else is asked of them, so a stay may
    lie in the past and have the desk's marks.
    """
    try:
        return in_transaction(lambda session: _insert_if_none(hotel, bookings, session))
    except DuplicateKeyError:
        # Another process wrote the same ones, or a guest took one of the rooms first.
        return False


def _insert_if_none(hotel: str, bookings: Sequence[Booking], session: ClientSession) -> bool:
    if collection("bookings").find_one({"hotel": hotel}, {"_id": 1}, session=session):
        return False
    # A new booking has no mark, so the document leaves it out.
    documents = [to_document(booking) | {"presence": booking.presence} for booking in bookings]
    collection("bookings").insert_many(documents, session=session)
    return True

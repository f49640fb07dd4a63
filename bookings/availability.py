"""Which rooms are free. The same rule for the API, the pages and, by the index, for booking."""

from dataclasses import dataclass
from datetime import date, timedelta

from bookings import inventory, repository
from bookings.errors import ValidationFailed
from bookings.inventory import Offer

# A page of rooms; a hotel has more only rarely, and then `next` leads on.
PAGE_SIZE = 100


@dataclass(frozen=True)
class FreeRooms:
    """Rooms free on one night, and the id to go on after (None at the end)."""

    hotel: str
    night: date
    offers: tuple[Offer, ...]
    next_after: str | None


def find_free_rooms(*, hotel_id: str, night: date, after: str = "") -> FreeRooms:
    """The hotel's free rooms on this night, a page at a time. Raises ValidationFailed."""
    hotel = inventory.find_hotel(hotel_id)
    if hotel is None:
        raise ValidationFailed([("hotelId", "There is no such hotel.")])
    faults = inventory.judge_dates(hotel, night, night + timedelta(days=1))
    if faults:
        raise ValidationFailed([("date", message) for _, message in faults])
    offers = inventory.list_offers(hotel, after=after, limit=PAGE_SIZE + 1)
    taken = repository.taken_rooms(hotel.id, night.isoformat())
    page = offers[:PAGE_SIZE]
    return FreeRooms(
        hotel=hotel.id,
        night=night,
        offers=tuple(offer for offer in page if offer.room not in taken),
        next_after=page[-1].room if len(offers) > PAGE_SIZE else None,
    )

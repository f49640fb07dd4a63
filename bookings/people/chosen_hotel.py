"""The hotel that a member of the staff looked at last, kept in their session: pages that are opened
without a hotel show it again."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest

from bookings.catalogue.inventory import HotelFacts

_KEY = "hotel"


@dataclass(frozen=True)
class ChosenHotel:
    """The hotel that a page shows. `fault` says that another one was asked for in vain, or is
    empty."""

    hotel: HotelFacts
    fault: str


def choose_hotel(
    request: HttpRequest, hotels: Sequence[HotelFacts], wanted: str
) -> ChosenHotel | None:
    """The wanted one of the user's hotels, which is remembered if a page is opened with it. Without
    it, the one remembered, or else the first; None if there are no hotels."""
    by_id = {hotel.id: hotel for hotel in hotels}
    if hotel := by_id.get(wanted):
        # A form that was sent may have used up its time for MongoDB.
        if request.method == "GET" and request.session.get(_KEY) != hotel.id:
            request.session[_KEY] = hotel.id
        return ChosenHotel(hotel, "")
    hotel = by_id.get(request.session.get(_KEY, ""), next(iter(hotels), None))
    if hotel is None:
        return None
    fault = f"There is no such hotel. This is {hotel.name} instead." if wanted else ""
    return ChosenHotel(hotel, fault)

"""Reading what there is: hotels with what their owners say about them, categories, rooms.

Everything may be two seconds old, and is never older than the last change that this process heard
of while it opened the request (`views.ApiView`).
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rest_framework.response import Response

from bookings.api import catalogue_shapes as shapes
from bookings.api.catalogue_schema import (
    categories_schema,
    hotel_schema,
    hotels_schema,
    rooms_schema,
)
from bookings.api.filters import Filters, hotel_for
from bookings.api.views import MAX_PAGE, ApiRequest, ApiView
from bookings.catalogue import inventory
from bookings.content import reading
from bookings.content.photos.facts import recent_photos
from bookings.domain.callers import READ
from bookings.refusals import Fault, NotFound, ValidationFailed

Item = TypeVar("Item")


class HotelsView(ApiView):
    scope = READ

    @hotels_schema
    def get(self, request: ApiRequest) -> Response:
        filters = Filters(request, "cursor", "limit")
        known = [hotel for hotel in inventory.open_hotels() if request.user.may_know(hotel.id)]
        page, cursor = _page(known, lambda hotel: hotel.id, filters)
        return Response(
            {
                "success": True,
                "hotels": [
                    shapes.describe_hotel(hotel, reading.recent_hotel_content(hotel.id))
                    for hotel in page
                ],
                "next": cursor,
            }
        )


class HotelView(ApiView):
    scope = READ

    @hotel_schema
    def get(self, request: ApiRequest, hotel_id: str) -> Response:
        hotel = inventory.open_hotel(hotel_id)
        if hotel is None or not request.user.may_know(hotel_id):
            raise NotFound("There is no such hotel.")
        about, photos = reading.recent_hotel_content(hotel_id), recent_photos(hotel_id)
        described = shapes.describe_hotel_in_full(hotel, about, photos.own)
        return Response({"success": True, "hotel": described})


class CategoriesView(ApiView):
    scope = READ

    @categories_schema
    def get(self, request: ApiRequest) -> Response:
        hotel_id = _hotel_of(request, Filters(request, "hotelId"))
        contents, photos = reading.recent_category_contents(hotel_id), recent_photos(hotel_id)
        return Response(
            {
                "success": True,
                "hotelId": hotel_id,
                "categories": [
                    shapes.describe_category(
                        category,
                        contents.get(category.id),
                        photos.by_category.get(category.id, ()),
                        rooms=sum(room.is_sold for room in rooms),
                    )
                    for category, rooms in inventory.recent_house(hotel_id)
                ],
            }
        )


class RoomsView(ApiView):
    scope = READ

    @rooms_schema
    def get(self, request: ApiRequest) -> Response:
        filters = Filters(request, "hotelId", "cursor", "limit")
        hotel_id = _hotel_of(request, filters)
        rooms = [room for _, rooms in inventory.recent_house(hotel_id) for room in rooms]
        page, cursor = _page(rooms, lambda room: room.id, filters)
        return Response(
            {
                "success": True,
                "hotelId": hotel_id,
                "rooms": [shapes.describe_room(room, hotel_id) for room in page],
                "next": cursor,
            }
        )


def _hotel_of(request: ApiRequest, filters: Filters) -> str:
    hotel_id = hotel_for(request.user, filters.id("hotelId"))
    if inventory.open_hotel(hotel_id) is None:
        raise ValidationFailed([Fault("hotelId", "There is no such hotel.")])
    return hotel_id


def _page(
    items: Sequence[Item], id_of: Callable[[Item], str], filters: Filters
) -> tuple[list[Item], str | None]:
    """The page of these items by id that the filters ask for, and the cursor of the next page."""
    after, limit = (
        filters.id("cursor") or "",
        filters.number("limit", 1, MAX_PAGE, default=20),
    )
    left = sorted((item for item in items if id_of(item) > after), key=id_of)
    page: list[Any] = left[:limit]
    return page, id_of(page[-1]) if len(left) > limit else None

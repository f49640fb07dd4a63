"""The API's JSON for what can be booked; bookings/stays/answers.py has that for bookings."""

from typing import Any

from bookings.availability.search import CalendarDay, CategoryStay, FreeRoom
from bookings.stays.answers import describe_price


def describe_stay(stay: CategoryStay) -> dict[str, Any]:
    """A category and whether it is available for the stay asked for."""
    return {
        "categoryId": stay.category.id,
        "name": stay.category.name,
        "occupancy": stay.category.occupancy,
        "available": not stay.obstacles,
        "roomsLeft": stay.rooms_left,
        "price": describe_price(stay.price) if stay.price else None,
        "reasons": [
            {
                "code": obstacle.code,
                "message": obstacle.message,
                "dates": [day.isoformat() for day in obstacle.days],
            }
            for obstacle in stay.obstacles
        ],
        "nearest": [
            {"checkIn": check_in.isoformat(), "checkOut": check_out.isoformat()}
            for check_in, check_out in stay.nearest
        ],
    }


def describe_day(day: CalendarDay) -> dict[str, Any]:
    """A day in the calendar of a category."""
    night, shortest = day.night, day.shortest
    return {
        "date": day.date.isoformat(),
        "forSale": shortest is not None,
        "shortestStay": {
            "checkOut": shortest.check_out.isoformat(),
            "price": describe_price(shortest.price),
        }
        if shortest
        else None,
        "roomsLeft": day.rooms_left,
        "price": night.price if night else None,
        "minStay": night.min_stay if night else 1,
        "closed": night is None or night.is_closed,
        "closedToArrival": night is not None and night.is_closed_to_arrival,
        "closedToDeparture": night is not None and night.is_closed_to_departure,
    }


def describe_room(room: FreeRoom) -> dict[str, Any]:
    """A room that is free on one night, with its price."""
    return {
        "resourceId": room.room.id,
        "name": room.room.name,
        "hotelId": room.category.hotel,
        "price": describe_price(room.price),
    }

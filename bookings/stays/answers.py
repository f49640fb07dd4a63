"""Answers as exact bytes, which are sent and stored in the booking or under the key."""

import json
from datetime import datetime
from typing import Any

from bookings.catalogue.inventory import room_names
from bookings.domain.booking import EXPIRED, PENDING, Booking, Price
from bookings.refusals import AlreadyBooked, Refusal
from bookings.stays import rivals
from idempotency.claims import Answer

PROBLEM_JSON = "application/problem+json"

# Enough to read at once. The next try lists the rest.
MAX_LISTED = 20


def message_for(booking: Booking) -> str:
    """The sentence that acknowledges a hold or a booking."""
    one = len(booking.rooms) == 1
    if booking.status == PENDING:
        what = "The room is" if one else "The rooms are"
        return f"{what} held for you; confirm with the same Idempotency-Key before expiresAt."
    return "The room is booked." if one else "The rooms are booked."


def success(booking: Booking, *, key: str, message: str, status: int, now: datetime) -> Answer:
    """The answer that acknowledges a booking or a change to it."""
    body = {
        "success": True,
        "message": message,
        "idempotencyKey": key,
        "booking": describe(booking, now=now),
    }
    return Answer(status=status, body=to_bytes(body))


def problem(refusal: Refusal) -> Answer:
    """The refusal as application/problem+json (RFC 9457), with the members `code` and `error`."""
    body = {
        "type": f"/api/docs/#{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "error": refusal.detail,
        **refusal.extra(),
    }
    return Answer(status=refusal.status, body=to_bytes(body), content_type=PROBLEM_JSON)


def name_in_the_way(booking: Booking) -> AlreadyBooked:
    """For the desk: the refusal that lists the bookings to move or cancel first."""
    found = rivals.list_in_the_way(booking, limit=MAX_LISTED + 1)
    if not found:
        return AlreadyBooked("A booking was in the way and has gone; try again.")
    names = room_names(booked.room for rival in found for booked in rival.rooms)
    named = [
        f"{rival.reference} ({', '.join(names.get(room, room) for room in rival.room_ids)}, "
        f"{rival.check_in} to {rival.released_from or rival.check_out})"
        for rival in found[:MAX_LISTED]
    ]
    if len(found) > MAX_LISTED:
        named.append("and more")
    return AlreadyBooked(f"In the way: {'; '.join(named)}. Move or cancel these first.")


def describe(booking: Booking, *, now: datetime) -> dict[str, Any]:
    """The booking as the API shows it, without the guest's details."""
    only = booking.rooms[0].room if len(booking.rooms) == 1 else None
    status = booking.status_at(now)
    nights = (booking.check_out - booking.check_in).days
    return {
        "id": str(booking.id),
        "reference": booking.reference,
        "hotelId": booking.hotel,
        "userId": booking.user_id,
        "resourceId": only,
        "categoryId": booking.category,
        "rooms": [
            {"resourceId": room.room, "categoryId": room.category, "guests": room.guests}
            for room in booking.rooms
        ],
        "date": booking.check_in.isoformat() if nights == 1 else None,
        "checkIn": booking.check_in.isoformat(),
        "checkOut": booking.check_out.isoformat(),
        "status": status,
        "expiresAt": (
            iso(booking.expires_at) if booking.expires_at and status in (PENDING, EXPIRED) else None
        ),
        "createdAt": iso(booking.created_at),
        "price": describe_price(booking.price),
    }


def describe_seen(booking: Booking) -> dict[str, Any]:
    """The stay in the JSON of a confirmation, as `stay_request.judge_seen` reads it."""
    return {
        "checkIn": booking.check_in.isoformat(),
        "checkOut": booking.check_out.isoformat(),
        "quotedTotal": booking.price.total,
        "resourceIds": list(booking.room_ids),
    }


def describe_price(price: Price) -> dict[str, Any]:
    """A price as the API shows it."""
    return {
        "total": price.total,
        "currency": price.currency,
        "nights": [{"date": night.isoformat(), "amount": amount} for night, amount in price.nights],
    }


def iso(moment: datetime) -> str:
    """`2027-02-15T09:30:00.000Z`: UTC, to the millisecond, always the same length."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_bytes(body: dict[str, Any]) -> bytes:
    """The body as compact JSON in UTF-8."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

"""Calls of the services as an entrance makes them, on MongoDB and Redis."""

from __future__ import annotations

from datetime import date
from typing import Any

from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.stays import create, lifecycle, rebooking
from bookings.stays.create import Outcome
from tests.conftest import night

PARTNER = Caller("client", "partner", may_act_for_others=True)
CUSTOMER = Caller("user", "customer")


def book(key: str | None = "key", *, caller: Caller = PARTNER, **fields: Any) -> Outcome:
    """Books room_A a month ahead unless `fields` say otherwise."""
    payload = {"resourceId": "room_A", "date": night(), **fields}
    if "checkIn" in fields:
        del payload["date"]
    if "categoryId" in fields or "rooms" in fields:
        del payload["resourceId"]
    return create.create_booking(
        caller=caller,
        key_header=key,
        read_payload=lambda: payload,
        deadline=Deadline.after(10),
    )


def confirm(outcome: Outcome, key: str | None = "key", *, actor: Caller = PARTNER) -> Outcome:
    return lifecycle.confirm_booking(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
    )


def cancel(outcome: Outcome, key: str | None = None, *, actor: Caller = PARTNER) -> Outcome:
    return lifecycle.cancel_booking(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
    )


def extend(outcome: Outcome, key: str | None = "more", *, actor: Caller = PARTNER) -> Outcome:
    return lifecycle.extend_hold(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
    )


def change_stay(
    outcome: Outcome,
    key: str | None = "change",
    *,
    first: int,
    last: int,
    total: int,
    actor: Caller = PARTNER,
    **fields: Any,
) -> Outcome:
    """Asks for the nights in [first, last), counted in days from today."""
    payload = {
        "checkIn": night(first),
        "checkOut": night(last),
        "quotedTotal": total,
        **fields,
    }
    return rebooking.change_stay(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        read_payload=lambda: payload,
        deadline=Deadline.after(10),
    )


def let_hold_end(minutes_ago: float = 0.1) -> None:
    """Moves the end of every hold into the past, by MongoDB's clock."""
    connections.collection("bookings").update_many(
        {"status": "pending"},
        [{"$set": {"expires_at": {"$subtract": ["$$NOW", int(minutes_ago * 60_000)]}}}],
    )


def let_server_keys_end() -> None:
    """Moves the end of every server-made key into the past."""
    ended = {"$subtract": ["$$key.until", 2 * 60_000]}
    key = {"$mergeObjects": ["$$key", {"until": ended}]}
    connections.collection("bookings").update_many(
        {}, [{"$set": {"keys": {"$map": {"input": "$keys", "as": "key", "in": key}}}}]
    )


def stored() -> list[dict[str, Any]]:
    """Returns every booking, oldest first."""
    return list(connections.collection("bookings").find({}).sort("_id"))


def check_fields_agree(booking: dict[str, Any]) -> None:
    """Checks that the fields of a stored booking agree with each other."""
    check_in, check_out = (date.fromisoformat(booking[day]) for day in ("check_in", "check_out"))
    released_from = booking.get("released_from")
    keeps_until = date.fromisoformat(released_from) if released_from else check_out
    assert check_in < keeps_until <= check_out
    assert released_from is None or booking["presence"] == "no_show"
    rooms = {booked["room"] for booked in booking["rooms"]}
    categories = {booked["category"] for booked in booking["rooms"]}
    prices = booking["price"]["nights"]
    assert booking["guests"] == sum(booked["guests"] for booked in booking["rooms"])
    assert len(set(booking["slots"])) == len(booking["slots"])
    assert len(booking["slots"]) == (keeps_until - check_in).days * len(rooms)
    assert {slot.partition("|")[2] for slot in booking["slots"]} == rooms
    assert booking["category"] == (categories.pop() if len(categories) == 1 else None)
    assert booking["price"]["total"] == sum(night["amount"] for night in prices)
    if booking["kind"] == "stay":
        assert len(prices) == (check_out - check_in).days
    assert booking["version"] >= len(booking["history"])
    said = [change["event"] for change in booking["history"] if change["event"] in STATUS_AFTER]
    assert booking["status"] in STATUS_AFTER[said[-1]]


# The newest of these lines in a history gives the status. Nothing else in it does.
STATUS_AFTER = {
    "created": ("pending", "confirmed"),
    "blocked": ("confirmed",),
    "extended": ("pending",),
    "confirmed": ("confirmed",),
    "expired": ("expired",),
    "cancelled": ("cancelled",),
}

"""The end of a round in words, and what is true of every end.

An end is the answer that each side got, and every booking with its room, status and history. If a
moment matters, the end begins with the round's place by MongoDB's own clock: `before` the moment,
`after` it, or `across`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from bookings.stays.outcomes import Outcome
from tests.calls import check_fields_agree

Answered = Outcome | str
End = tuple[str, ...]
Check = Callable[[list[dict[str, Any]]], None]

# Of one night in room_A, while it is held and afterwards.
OLD_PRICE, NEW_PRICE = 10_000, 60_000


def at(places: str, ends: set[End]) -> set[End]:
    """The ends, each at all of these places relative to the relevant moment."""
    return {(place, *end) for place in places.split() for end in ends}


def where(matters_at: datetime, begun_at: datetime, done_at: datetime) -> str:
    if done_at < matters_at:
        return "before"
    return "after" if begun_at >= matters_at else "across"


def say(answered: Answered) -> str:
    if isinstance(answered, str):
        return answered
    return answered.code or ("replay" if answered.replayed else "ok")


def describe(booking: dict[str, Any]) -> str:
    rooms = "".join(booked["room"][-1] for booked in booking["rooms"])
    if booking["guests"] > 1:
        rooms += f" for {booking['guests']}"
    first, end = (date.fromisoformat(booking[day]) for day in ("check_in", "check_out"))
    if booking["kind"] == "stay" and (end - first).days > 1:
        rooms += f" for {(end - first).days} nights"
    status = booking["status"]
    if booking["price"]["total"] == NEW_PRICE:
        status += f" at {NEW_PRICE / 100:.2f}"
    events = " ".join(change["event"] for change in booking["history"])
    return f"{rooms} {status}: {events}"


def names_no_account(bookings: list[dict[str, Any]]) -> None:
    """Nothing is left of a deleted account but its pseudonym, the same everywhere."""
    people = {
        person
        for booking in bookings
        for person in (
            booking["caller"],
            booking["owner"],
            *(change["actor"] for change in booking["history"]),
        )
    }
    assert not [person for person in people if person.startswith("user:")], people
    assert len([person for person in people if person.startswith("gone:")]) <= 1, people


def check_slots(bookings: list[dict[str, Any]]) -> None:
    """No night is sold twice, and every booking agrees with itself: its slots with its rooms."""
    taken = Counter(
        slot
        for booking in bookings
        if booking["status"] in ("pending", "confirmed")
        for slot in booking["slots"]
    )
    assert set(taken.values()) <= {1}, taken
    for booking in bookings:
        check_fields_agree(booking)


def check_successes(answered: list[Answered], bookings: list[dict[str, Any]]) -> None:
    """Every success that was answered is in its booking, byte for byte. The booking also matches
    the answer that left it confirmed or cancelled."""
    kept = {
        str(booking["_id"]): [
            entry.get("body") for entry in (*booking["keys"], *booking["history"])
        ]
        for booking in bookings
    }
    for outcome in answered:
        if isinstance(outcome, Outcome) and outcome.code is None:
            assert outcome.answer.body in kept[outcome.content["booking"]["id"]]
            said = outcome.content["booking"]
            is_now = next(each for each in bookings if str(each["_id"]) == said["id"])
            if said["status"] == is_now["status"] != "pending":
                guests = [room["guests"] for room in said["rooms"]]
                assert guests == [booked["guests"] for booked in is_now["rooms"]]

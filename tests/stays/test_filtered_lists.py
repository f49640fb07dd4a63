"""A filtered list has exactly the bookings that the filters describe, newest first."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any

import pytest

from bookings.domain.booking import STATUSES, Booking
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.stays import queries
from tests.calls import PARTNER, book, cancel, let_hold_end
from tests.conftest import night

pytestmark = pytest.mark.mongo

FIRST = date.fromisoformat(night(40))


def stay(key: str, first: int, nights: int, **fields: Any) -> Any:
    check_in = FIRST + timedelta(days=first)
    return book(
        key,
        **{"resourceId": "inn_A"} | fields,
        checkIn=check_in.isoformat(),
        checkOut=(check_in + timedelta(days=nights)).isoformat(),
    )


@pytest.fixture
def everything(inn: None, database: None) -> list[Booking]:
    """Bookings of two guests in several rooms and states, among them a no-show."""
    stay("a", 0, 3, userId="ada")
    stay("b", 3, 2, userId="bob", hold=True)
    stay("c", 1, 5, userId="ada", resourceId="inn_B", hold=True)
    let_hold_end()
    cancel(stay("d", 0, 1, userId="bob", resourceId="inn_C"), "d")
    stay("e", 4, 3, userId="ada", resourceId="inn_S")
    stay("f", 2, 3, userId="bob", categoryId="inn_double")
    released = FIRST + timedelta(days=5)
    found = collection("bookings").find_one({"rooms.room": "inn_S"})
    assert found
    kept = [slot for slot in found["slots"] if slot < f"{released}|"]
    collection("bookings").update_one(
        {"_id": found["_id"]},
        {"$set": {"released_from": released.isoformat(), "slots": kept, "presence": "no_show"}},
    )
    return queries.list_bookings(owners=[str(PARTNER)], limit=100)


@pytest.mark.parametrize("status", [None, *STATUSES])
def test_lists_what_the_filters_describe(everything: list[Booking], status: str | None) -> None:
    now = clock.now()
    assert len(everything) == 6
    for user_id, room, day, before in itertools.product(
        (None, "ada", "bob", "eve"),
        (None, "inn_A", "inn_B", "inn_S", "inn_X"),
        (None, *(FIRST + timedelta(days=each) for each in range(-1, 8))),
        (None, everything[2].id),
    ):
        found = queries.list_bookings(
            owners=[str(PARTNER)],
            user_id=user_id,
            room=room,
            night=day,
            status=status,
            before=before,
            limit=100,
        )

        assert [booking.id for booking in found] == [
            booking.id
            for booking in everything
            if user_id in (None, booking.user_id)
            and (room is None or room in booking.room_ids)
            and (day is None or booking.check_in <= day < booking.check_out)
            and status in (None, booking.status_at(now))
            and (before is None or booking.id < before)
        ], (user_id, room, day, before)


@pytest.mark.parametrize(("day", "limit"), [(2, 2), (5, 1)])
def test_ends_a_page_at_its_limit(everything: list[Booking], day: int, limit: int) -> None:
    of_night = FIRST + timedelta(days=day)
    whole = queries.list_bookings(owners=[str(PARTNER)], night=of_night, limit=100)
    page = queries.list_bookings(owners=[str(PARTNER)], night=of_night, limit=limit)

    assert len(whole) > limit
    assert page == whole[:limit]

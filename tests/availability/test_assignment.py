"""Which room is chosen: properties that hold for any calendar of bookings."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookings.availability.assignment import choose_rooms
from bookings.availability.offers import WantedRoom
from bookings.availability.stock import free_rooms
from bookings.catalogue.inventory import RoomFacts
from bookings.refusals import ResourceLocked, SoldOut

FIRST = date(2028, 2, 25)
ROOMS = tuple(RoomFacts(f"r{n}", "double", f"Room {n}") for n in range(4))

DAYS = st.integers(-10, 14).map(lambda n: FIRST + timedelta(days=n))
TAKEN = st.dictionaries(st.sampled_from([room.id for room in ROOMS]), st.sets(DAYS))
STAY = st.integers(1, 4).map(lambda nights: (FIRST, FIRST + timedelta(days=nights)))
LOCKED = st.sets(st.sampled_from([room.id for room in ROOMS]))


@given(TAKEN, STAY, LOCKED, st.integers(1, 4))
def test_chooses_exactly_when_enough_rooms_are_free_and_not_locked(
    taken: dict[str, set[date]], stay: tuple[date, date], locked: set[str], count: int
) -> None:
    wanted = [WantedRoom("double", 1, ROOMS)] * count
    free = {room.id for room in free_rooms(ROOMS, taken, *stay)}

    if len(free) < count:
        with pytest.raises((SoldOut, ResourceLocked)) as refused:
            choose_rooms(wanted, taken, *stay, locked=locked)
        # Locks never make a room look sold; they may hide that there are too few.
        assert refused.type is SoldOut or locked & free
    elif len(free - locked) < count:
        with pytest.raises(ResourceLocked):
            choose_rooms(wanted, taken, *stay, locked=locked)
    else:
        chosen = [booked.room for booked in choose_rooms(wanted, taken, *stay, locked=locked)]
        assert len(set(chosen)) == count
        assert set(chosen) <= free - locked


def test_prefers_the_smallest_gap_and_then_the_name() -> None:
    before, after = FIRST - timedelta(days=2), FIRST + timedelta(days=3)
    taken = {"r2": {before, after}, "r1": {before}, "r3": {before, after}}

    def choose(locked: set[str]) -> str:
        wanted = [WantedRoom("double", 1, ROOMS)]
        return choose_rooms(wanted, taken, FIRST, FIRST + timedelta(days=1), locked=locked)[0].room

    assert choose(set()) == "r2"
    assert choose({"r2"}) == "r3"
    assert choose({"r2", "r3"}) == "r1"
    assert choose({"r1", "r2", "r3"}) == "r0"

"""Chooses which of the free rooms a stay gets."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from datetime import date, timedelta

from bookings.availability.offers import WantedRoom
from bookings.availability.stock import Taken, free_rooms
from bookings.catalogue.inventory import RoomFacts
from bookings.domain.booking import BookedRoom
from bookings.refusals import ResourceLocked, SoldOut

# How many nights before and after a stay are searched for gaps. A gap of a week can be sold again,
# so a longer one is no better, and each night searched is one more to read.
GAP_LOOK_NIGHTS = 7


def choose_rooms(
    wanted: Sequence[WantedRoom],
    taken: Taken,
    check_in: date,
    check_out: date,
    *,
    locked: Set[str],
) -> tuple[BookedRoom, ...]:
    """Chooses a free, unlocked room for each wanted room.

    Of several free rooms it takes the one in the smallest gap, to keep long gaps whole for long
    stays; ties go by name. Raises SoldOut if bookings leave too few rooms, and ResourceLocked if
    only locks do.
    """
    ranked: dict[str, list[RoomFacts]] = {}
    chosen: list[BookedRoom] = []
    for want in wanted:
        # Wishes for one category share its rooms, so the rooms are ranked once.
        if want.category not in ranked:
            ranked[want.category] = _rank(want.candidates, taken, check_in, check_out)
        free = ranked[want.category]
        if not free:
            raise SoldOut
        best = next((room for room in free if room.id not in locked), None)
        if best is None:
            raise ResourceLocked
        free.remove(best)
        chosen.append(BookedRoom(best.id, want.category, want.guests))
    return tuple(chosen)


def keep_or_choose_rooms(
    wanted: Sequence[WantedRoom],
    present: Sequence[str],
    taken: Taken,
    check_in: date,
    check_out: date,
    *,
    locked: Set[str],
) -> tuple[BookedRoom, ...]:
    """For each wanted room the booking's present one, if it is still one of the candidates, free
    and unlocked; else a room as `choose_rooms` chooses it. `present` has the ids in the same order.

    Raises SoldOut or ResourceLocked, as `choose_rooms` does.
    """
    kept: dict[int, str] = {}
    for number, (want, room_id) in enumerate(zip(wanted, present, strict=True)):
        room = next((room for room in want.candidates if room.id == room_id), None)
        if room and room_id not in locked and free_rooms([room], taken, check_in, check_out):
            kept[number] = room_id
    others = [
        replace(
            want,
            candidates=tuple(room for room in want.candidates if room.id not in kept.values()),
        )
        for number, want in enumerate(wanted)
        if number not in kept
    ]
    chosen = iter(choose_rooms(others, taken, check_in, check_out, locked=locked))
    return tuple(
        BookedRoom(kept[number], want.category, want.guests) if number in kept else next(chosen)
        for number, want in enumerate(wanted)
    )


def _rank(
    rooms: Iterable[RoomFacts], taken: Taken, check_in: date, check_out: date
) -> list[RoomFacts]:
    """The rooms that are free for the stay, the best to give away first."""
    return sorted(
        free_rooms(rooms, taken, check_in, check_out),
        key=lambda room: (
            _gap_nights(taken.get(room.id, frozenset()), check_in, check_out),
            room.name,
            room.id,
        ),
    )


def _gap_nights(taken: Set[date], check_in: date, check_out: date) -> int:
    """How many nights the room is free before and after the stay, in total."""
    before = after = 0
    while before < GAP_LOOK_NIGHTS and check_in - timedelta(days=before + 1) not in taken:
        before += 1
    while after < GAP_LOOK_NIGHTS and check_out + timedelta(days=after) not in taken:
        after += 1
    return before + after

"""The grid of rooms and dates on the occupancy page, as rows of bars and free cells.

The cells of a row cover each date once. A bar spans the nights of one booking in one room, as far
as they are shown; the index makes sure that no two bars overlap.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from bookings.availability.occupancy import Occupant
from bookings.catalogue.inventory import CategoryFacts, RoomFacts
from bookings.domain import booking
from bookings.domain.booking import (
    BLOCK,
    CHECKED_IN,
    CHECKED_OUT,
    NO_SHOW,
    Booking,
    nights_between,
)

# The looks of a bar, and their names. Each look has its own sign and border besides its colour.
LOOKS = {
    "booked": "Booked",
    CHECKED_IN: "Checked in",
    CHECKED_OUT: "Checked out",
    NO_SHOW: "No-show",
    "held": "Hold",
    "dead": "Hold that ran out",
    BLOCK: "Room block",
}
# The looks of bars that can be moved; the service judges each move.
MOVABLE_LOOKS = frozenset({"booked", CHECKED_IN, CHECKED_OUT, "held"})


class GridCell(NamedTuple):
    """`span` nights from `night` on: a bar if there is an occupant, otherwise one free night.

    `text` is the text on the bar. `is_past` means that the night can no longer be booked.
    """

    night: date
    span: int = 1
    occupant: Occupant | None = None
    look: str = "free"
    text: str = ""
    begins_before: bool = False
    ends_after: bool = False
    is_past: bool = False

    @property
    def day(self) -> str:
        """The first night as YYYY-MM-DD."""
        return self.night.isoformat()


@dataclass(frozen=True)
class GridRow:
    """A room and its cells, in the order of the dates."""

    room: RoomFacts
    cells: tuple[GridCell, ...]


@dataclass(frozen=True)
class Section:
    """The rooms of one category."""

    category: CategoryFacts
    rows: tuple[GridRow, ...]


def lay_out(
    house: Iterable[tuple[CategoryFacts, Sequence[RoomFacts]]],
    occupants: Iterable[Occupant],
    first: date,
    end: date,
    *,
    today: date,
    now: datetime,
) -> list[Section]:
    """The grid for the nights in [first, end). Rooms that are not for sale appear only if they have
    an occupant."""
    by_room: dict[str, dict[date, GridCell]] = defaultdict(dict)
    for occupant in occupants:
        bar = _bar_of(occupant, first, end, now)
        for room in occupant.rooms:
            by_room[room][bar.night] = bar
    nights = list(nights_between(first, end))
    free = {night: GridCell(night, is_past=night < today) for night in nights}
    all_free = tuple(free.values())
    sections = []
    for category, rooms in house:
        rows = tuple(
            GridRow(
                room,
                tuple(_cells_of(by_room[room.id], nights, free))
                if room.id in by_room
                else all_free,
            )
            for room in rooms
            if room.is_sold or room.id in by_room
        )
        if rows:
            sections.append(Section(category, rows))
    return sections


def _cells_of(
    bars: dict[date, GridCell], nights: Sequence[date], free: dict[date, GridCell]
) -> Iterable[GridCell]:
    position = 0
    while position < len(nights):
        night = nights[position]
        cell = bars.get(night) or free[night]
        yield cell
        position += cell.span


def _bar_of(occupant: Occupant, first: date, end: date, now: datetime) -> GridCell:
    shown_from = max(occupant.check_in, first)
    look = look_of(occupant, now)
    return GridCell(
        night=shown_from,
        span=(min(occupant.keeps_until, end) - shown_from).days,
        occupant=occupant,
        look=look,
        text=_text_of(occupant, look, now),
        begins_before=occupant.check_in < first,
        ends_after=occupant.keeps_until > end,
    )


def look_of(occupant: Occupant | Booking, now: datetime) -> str:
    """Its look, which is one of LOOKS."""
    if occupant.kind == BLOCK:
        return BLOCK
    match occupant.status_at(now):
        case booking.CONFIRMED:
            return occupant.presence if occupant.presence in LOOKS else "booked"
        case booking.EXPIRED:
            return "dead"
        case _:
            return "held"


def _text_of(occupant: Occupant, look: str, now: datetime) -> str:
    if look == BLOCK:
        return occupant.notes
    name = occupant.guest_name or occupant.reference
    if look == "held" and occupant.expires_at is not None:
        return f"{minutes_left(occupant.expires_at, now)} min: {name}"
    return name


def minutes_left(end: datetime, now: datetime) -> int:
    """The minutes until a hold ends, rounded up, so that a live hold never shows 0."""
    return -((now - end) // timedelta(minutes=1))

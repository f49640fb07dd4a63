"""A day at a hotel: who arrives, who leaves, who is there, and the figures of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from bookings.availability import occupancy
from bookings.availability.occupancy import Occupant
from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.domain.booking import (
    BLOCK,
    CHECKED_IN,
    CHECKED_OUT,
    CONFIRMED,
    EXPECTED,
    EXPIRED,
    NO_SHOW,
    PENDING,
    STAY,
)
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection

# The lists of a day, in the order of the page. DONE is what the desk is finished with.
ARRIVALS, LATE_ARRIVALS, IN_HOUSE = "Arrivals", "Late arrivals", "In house"
DEPARTURES, DONE = "Departures", "Done"
LISTS = (ARRIVALS, LATE_ARRIVALS, IN_HOUSE, DEPARTURES, DONE)

# How many more days stays are looked for that were not marked.
LOOK_BACK_DAYS = 7

# A hold this close to its end is about to run out.
ENDS_SOON = timedelta(minutes=5)


@dataclass(frozen=True)
class DayFigures:
    """Counts of stays and rooms of a hotel on a day.

    `arrivals` and `departures` are the day's, but for no-shows; `arrived` and `departed` are those
    of them that are marked so. `in_house` counts the stays that are checked in. `sold` and `free`
    are rooms tonight, among those for sale; a hold counts for neither.
    """

    arrivals: int
    arrived: int
    departures: int
    departed: int
    in_house: int
    overdue: int
    rooms: int
    sold: int
    free: int

    @property
    def percent_sold(self) -> int:
        """The rooms sold tonight in percent of all; 0 without rooms."""
        return round(100 * self.sold / self.rooms) if self.rooms else 0


@dataclass(frozen=True)
class EndingHold:
    """A hold that is about to run out."""

    id: str
    reference: str
    guest_name: str
    expires_at: datetime


def list_around(hotel: HotelFacts, day: date) -> list[Occupant]:
    """Everyone with a night on the day or up to LOOK_BACK_DAYS before it, dead holds too."""
    return occupancy.list_marked(
        hotel.id, day - timedelta(days=LOOK_BACK_DAYS), day + timedelta(days=1)
    )


def list_of(
    *,
    presence: str,
    check_in: date,
    check_out: date,
    marked_on: date | None,
    day: date,
    today: date,
) -> str | None:
    """The one of LISTS that a confirmed stay belongs to on a day; None if the day is not its own.

    `marked_on` is the desk's day of the mark in force, `today` its day now. Guests without a mark,
    and guests in the house, stay in a list until they are marked. A stay that is over is done on
    the day of its last mark, and on the earlier days of the stay for those who look back. A day
    that is still to come shows what is planned: guests who can still arrive in time are in the
    house by then, and who can still leave in time has left.
    """
    if presence in (CHECKED_OUT, NO_SHOW):
        if marked_on is not None and (marked_on == day or check_in <= day < marked_on):
            return DONE
        return None
    if check_in > day:
        return None
    if check_out < day and check_out >= today:
        return None
    if presence == EXPECTED and check_in == day:
        return ARRIVALS
    if presence == EXPECTED and check_in < today:
        return LATE_ARRIVALS
    return IN_HOUSE if check_out > day else DEPARTURES


def sort_stays(
    hotel: HotelFacts, stays: Iterable[Occupant], day: date
) -> dict[str, list[Occupant]]:
    """The confirmed stays of a day by list."""
    lists: dict[str, list[Occupant]] = {name: [] for name in LISTS}
    today = hotel.desk_day()
    for stay in stays:
        name = list_of(
            presence=stay.presence,
            check_in=stay.check_in,
            check_out=stay.check_out,
            marked_on=hotel.desk_day_at(stay.marked_at) if stay.marked_at else None,
            day=day,
            today=today,
        )
        if name:
            lists[name].append(stay)
    return lists


def count_day(hotel: HotelFacts, day: date, now: datetime) -> DayFigures:
    """The day's figures, as they are now."""
    around = list_around(hotel, day)
    today = hotel.desk_day_at(now)
    stays = [each for each in around if each.kind == STAY and each.status_at(now) == CONFIRMED]
    for_sale = {
        room.id for _, rooms in inventory.recent_house(hotel.id) for room in rooms if room.is_sold
    }
    tonight = [
        each
        for each in around
        if each.check_in <= day < each.keeps_until and each.status_at(now) != EXPIRED
    ]
    sold = _rooms_of(each for each in tonight if each.kind == STAY and each.status == CONFIRMED)
    blocked = _rooms_of(each for each in tonight if each.kind == BLOCK)
    came = [stay for stay in stays if stay.presence != NO_SHOW]
    arrivals = [stay for stay in came if stay.check_in == day]
    departures = [stay for stay in came if stay.check_out == day]
    return DayFigures(
        arrivals=len(arrivals),
        arrived=sum(stay.presence != EXPECTED for stay in arrivals),
        departures=len(departures),
        departed=sum(stay.presence == CHECKED_OUT for stay in departures),
        in_house=sum(stay.presence == CHECKED_IN for stay in stays),
        overdue=sum(is_overdue(stay, day, today) for stay in stays),
        rooms=len((for_sale | sold) - blocked),
        sold=len(sold),
        free=len(for_sale - _rooms_of(tonight)),
    )


def is_overdue(stay: Occupant, day: date, today: date) -> bool:
    """Whether the desk should have marked the confirmed stay on an earlier day. `today` is its own
    day: no mark is missing before its day is over."""
    day = min(day, today)
    if stay.presence == EXPECTED:
        return stay.check_in < day
    return stay.presence == CHECKED_IN and stay.check_out < day


def has_not_left(stay: Occupant, today: date) -> bool:
    """Whether the guest of a stay that has ended is still in the house by the desk's marks."""
    return (stay.kind, stay.status, stay.presence) == (
        STAY,
        CONFIRMED,
        CHECKED_IN,
    ) and stay.check_out <= today


def find_who_has_not_left(hotel: HotelFacts, rooms: Iterable[str]) -> list[Occupant]:
    """Who has not left one of these rooms, among those whose stay ended within LOOK_BACK_DAYS."""
    today = clock.today(hotel.time_zone)
    nights = [today - timedelta(days=ago) for ago in range(1, LOOK_BACK_DAYS + 1)]
    found = occupancy.list_in(hotel.id, rooms, nights)
    return [stay for stay in found if has_not_left(stay, today)]


def _rooms_of(occupants: Iterable[Occupant]) -> set[str]:
    return {room for each in occupants for room in each.rooms}


def list_ending_holds(
    now: datetime, *, only: frozenset[str] | None, limit: int
) -> list[EndingHold]:
    """The live holds that end within ENDS_SOON, the next one first. With `only`, holds at other
    hotels than these are left out."""
    condition: dict[str, Any] = {
        "status": PENDING,
        "expires_at": {"$gt": now, "$lte": now + ENDS_SOON},
    }
    if only is not None:
        condition["hotel"] = {"$in": sorted(only)}
    fields = {"reference": 1, "guest.name": 1, "expires_at": 1}
    found = collection("bookings").find(condition, fields).sort("expires_at", 1).limit(limit)
    return [
        EndingHold(str(hold["_id"]), hold["reference"], hold["guest"]["name"], hold["expires_at"])
        for hold in found
    ]

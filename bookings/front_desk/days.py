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
from bookings.infrastructure.connections import collection

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
    return occupancy.list_occupants(
        hotel.id, day - timedelta(days=LOOK_BACK_DAYS), day + timedelta(days=1)
    )


def sort_stays(stays: Iterable[Occupant], day: date) -> list[tuple[str, list[Occupant]]]:
    """The confirmed stays around a day by heading; each stay is under one heading at most."""
    arrivals: list[Occupant] = []
    departures: list[Occupant] = []
    in_house: list[Occupant] = []
    overdue: list[Occupant] = []
    for stay in stays:
        if stay.check_in == day:
            arrivals.append(stay)
        elif stay.check_out == day:
            departures.append(stay)
        elif stay.presence == EXPECTED:
            overdue.append(stay)
        elif stay.presence == CHECKED_IN:
            (in_house if stay.check_out > day else overdue).append(stay)
    return [
        ("Arrivals", arrivals),
        ("Departures", departures),
        ("In house", in_house),
        ("Not marked on earlier days", overdue),
    ]


def count_day(hotel: HotelFacts, day: date, now: datetime) -> DayFigures:
    """The day's figures, as they are now."""
    around = list_around(hotel, day)
    stays = [each for each in around if each.kind == STAY and each.status_at(now) == CONFIRMED]
    lists = dict(sort_stays(stays, day))
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
    arrivals = [stay for stay in lists["Arrivals"] if stay.presence != NO_SHOW]
    departures = [stay for stay in lists["Departures"] if stay.presence != NO_SHOW]
    return DayFigures(
        arrivals=len(arrivals),
        arrived=sum(stay.presence != EXPECTED for stay in arrivals),
        departures=len(departures),
        departed=sum(stay.presence == CHECKED_OUT for stay in departures),
        in_house=sum(stay.presence == CHECKED_IN for stay in stays),
        overdue=len(lists["Not marked on earlier days"]),
        rooms=len((for_sale | sold) - blocked),
        sold=len(sold),
        free=len(for_sale - _rooms_of(tonight)),
    )


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

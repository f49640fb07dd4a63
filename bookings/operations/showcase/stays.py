"""The bookings of a showcase hotel: sixty days around today, in every state.

They depend on the hotel and on the day alone, so two seeds of one day make the same bookings. Rooms
near today are fuller than those of next month, as in any hotel.
"""

import dataclasses
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from bson import ObjectId

from bookings.catalogue.inventory import HotelFacts
from bookings.domain.booking import (
    BLOCK,
    CANCELLED,
    CHECKED_IN,
    CHECKED_OUT,
    CONFIRMED,
    EXPECTED,
    EXPIRED,
    NO_SHOW,
    PENDING,
    REFERENCE_LETTERS,
    STAY,
    BookedRoom,
    Booking,
    Change,
    Key,
    Price,
    common_category,
    nights_between,
)
from bookings.domain.stay_request import Guest
from bookings.infrastructure import clock
from bookings.infrastructure.texts import to_id
from bookings.operations.showcase.hotels import ShowcaseCategory, ShowcaseHotel
from bookings.operations.showcase.season import price_on
from bookings.stays import answers
from idempotency import keys

DAYS_BEFORE, DAYS_AFTER = 30, 30

# Lengths of stays and of the gaps between them, in nights, each as often as it stands here.
LENGTHS = (1, 1, 2, 2, 2, 3, 3, 4, 5, 7)
GAPS = (0, 0, 0, 1, 1, 2, 3)

# Shares of a hundred stays. Each further day from now on, some more are not booked yet.
CANCELLED_OF_100, EXPIRED_OF_100, NO_SHOWS_OF_100, UNBOOKED_OF_100_A_DAY = 9, 4, 4, 2

# With this one, guests arrive and leave today at both hotels, and not all have been seen yet.
SEED = 158

HOLD = timedelta(minutes=15)

# How long ago the holds that still live were made.
HELD_FOR = timedelta(minutes=3)

BOOKED_DAYS_BEFORE = (1, 3, 5, 9, 14, 21, 35)

# Who made the desk's marks, since a showcase may have no logins.
DESK = "system"

SAID = "This booking is part of the showcase."

# Numbers that the British regulator keeps for fiction begin like this.
PHONE = "+447700900"

NAMES = (
    "Ada Nyström", "Bruno Keller", "Carla Esteves", "David Okafor", "Elif Demir", "Femke de Vries",
    "Giulia Ferrari", "Hannah Vogel", "Inês Duarte", "Jakub Nowak", "Keiko Tanaka", "Liam Murphy",
    "Marta Kowalska", "Nils Andersen", "Olivia Brandt", "Pedro Salgado", "Quentin Moreau",
    "Rosa Lindner", "Samir Haddad", "Tereza Horáková", "Ugo Bianchi", "Vera Petrova", "Wim Claes",
    "Xenia Papadaki", "Yusuf Kaya", "Zoe Martin",
)  # fmt: skip

WISHES = (
    "We arrive late, at about 22:00.",
    "A cot for our baby, please.",
    "Wir kommen mit zwei Fahrrädern.",
    "A quiet room, please.",
    "Bitte ein Zimmer möglichst weit oben.",
    "One of us eats no gluten.",
)


@dataclass(frozen=True)
class _Plan:
    """What becomes a booking. `presence` is the desk's mark, if there is one."""

    rooms: tuple[BookedRoom, ...]
    check_in: date
    check_out: date
    status: str = CONFIRMED
    presence: str = EXPECTED
    kind: str = STAY
    notes: str = ""


def first_bookings(hotel: ShowcaseHotel, facts: HotelFacts, now: datetime) -> list[Booking]:
    """The bookings with which the hotel begins at this moment."""
    chance = Random(f"{hotel.id} {SEED}")
    prices = {category.id: category.price for category in hotel.categories}
    plans = _plan(hotel, now.astimezone(ZoneInfo(facts.time_zone)).date(), chance)
    return [_make(plan, facts, prices, now, chance) for plan in plans]


def _plan(hotel: ShowcaseHotel, today: date, chance: Random) -> list[_Plan]:
    plans = []
    for category in hotel.categories:
        for number in category.rooms:
            plans += _plan_room(hotel, category, number, today, chance)
    # Four that every desk should see, in rooms that are free then.
    first, second = (category.rooms[-1] for category in hotel.categories[:2])
    after = today + timedelta(days=DAYS_AFTER + 8)
    rooms = tuple(
        _room(hotel, category, number, chance)
        for category, number in zip(hotel.categories, (first, second), strict=False)
    )
    plans += [
        _Plan(rooms, after, after + timedelta(days=3)),
        _Plan(rooms[:1], after + timedelta(days=4), after + timedelta(days=6), PENDING),
        _Plan(rooms[1:], after + timedelta(days=4), after + timedelta(days=5), PENDING),
        _Plan(
            (BookedRoom(rooms[0].room, rooms[0].category, 0),),
            *(after + timedelta(days=7), after + timedelta(days=10)),
            kind=BLOCK,
            notes="New carpet",
        ),
    ]
    return plans


def _plan_room(
    hotel: ShowcaseHotel, category: ShowcaseCategory, number: int, today: date, chance: Random
) -> list[_Plan]:
    """One stay after the other, with gaps. A cancelled one leaves its nights to no other."""
    plans = []
    day = today - timedelta(days=DAYS_BEFORE + chance.randrange(4))
    while day < today + timedelta(days=DAYS_AFTER):
        end = day + timedelta(days=chance.choice(LENGTHS))
        is_booked = chance.randrange(100) >= max(0, (day - today).days) * UNBOOKED_OF_100_A_DAY
        if is_booked:
            status = _status(chance)
            presence = _presence(day, end, today, chance) if status == CONFIRMED else EXPECTED
            room = _room(hotel, category, number, chance)
            notes = chance.choice(WISHES) if chance.randrange(5) == 0 else ""
            plans.append(_Plan((room,), day, end, status, presence, notes=notes))
        day = end + timedelta(days=chance.choice(GAPS))
    return plans


def _room(
    hotel: ShowcaseHotel, category: ShowcaseCategory, number: int, chance: Random
) -> BookedRoom:
    guests = chance.randint(1, category.occupancy)
    return BookedRoom(f"{hotel.id}-{number}", category.id, guests)


def _status(chance: Random) -> str:
    share = chance.randrange(100)
    if share < CANCELLED_OF_100:
        return CANCELLED
    return EXPIRED if share < CANCELLED_OF_100 + EXPIRED_OF_100 else CONFIRMED


def _presence(check_in: date, check_out: date, today: date, chance: Random) -> str:
    """The mark of a stay with these dates. Some of today's guests have come or left already."""
    share = chance.randrange(100)
    if check_in > today:
        return EXPECTED
    if check_in == today:
        return CHECKED_IN if share < 30 else EXPECTED
    if share < NO_SHOWS_OF_100:
        return NO_SHOW
    if check_out > today or (check_out == today and share < 60):
        return CHECKED_IN
    return CHECKED_OUT


def _make(
    plan: _Plan, hotel: HotelFacts, prices: dict[str, int], now: datetime, chance: Random
) -> Booking:
    """The plan's booking, with an invented guest and the history that its state calls for."""
    guest_id, tail = chance.randbytes(16).hex(), chance.randbytes(8)
    owner = f"hotel:{hotel.id}" if plan.kind == BLOCK else f"guest:{guest_id}"
    history = _history(plan, hotel, owner, now, chance)
    created_at = history[0].at
    reference = "".join(chance.choice(REFERENCE_LETTERS) for _ in range(8))
    booking = Booking(
        id=ObjectId(int(created_at.timestamp()).to_bytes(4, "big") + tail),
        reference=f"{hotel.code}-{reference}",
        caller=owner,
        owner=owner,
        user_id="",
        hotel=hotel.id,
        category=common_category(plan.rooms),
        rooms=plan.rooms,
        check_in=plan.check_in,
        check_out=plan.check_out,
        guests=sum(room.guests for room in plan.rooms),
        guest=Guest() if plan.kind == BLOCK else _guest(chance),
        notes=plan.notes,
        price=Price(hotel.currency, () if plan.kind == BLOCK else _amounts(plan, prices)),
        status=plan.status,
        expires_at=created_at + HOLD if plan.status in (PENDING, EXPIRED) else None,
        created_at=created_at,
        updated_at=history[-1].at,
        history=history,
        kind=plan.kind,
        presence=plan.presence,
        language=chance.choice(("en", "en", "de")),
        version=len(history),
        country=hotel.country,
    )
    # Each booking has a key, which a unique index compares.
    answer = answers.success(booking, key=reference, message=SAID, status=201, now=created_at)
    key = Key(str(history[0].key), "client", None, "", answer.status, answer.body)
    return dataclasses.replace(booking, keys=(key,))


def _history(
    plan: _Plan, hotel: HotelFacts, owner: str, now: datetime, chance: Random
) -> tuple[Change, ...]:
    """How the stay came about, and what the desk did since. Nothing lies in the future."""

    def moment(day: date, at: time) -> datetime:
        return min(now, clock.local_moment(day, at, hotel.time_zone))

    booked_on = plan.check_in - timedelta(days=chance.choice(BOOKED_DAYS_BEFORE))
    at = moment(booked_on, time(chance.randrange(8, 22), chance.randrange(60)))
    lately = timedelta(minutes=chance.randrange(60, 4 * 24 * 60))
    if plan.status == PENDING:
        at = now - HELD_FOR
    elif at > now - timedelta(hours=1):
        # Guests who will come in weeks booked in the last days.
        at = now - lately
    digest = keys.digest_of(
        caller=owner, operation="create", target="", key=f"{plan.rooms}{plan.check_in}"
    )
    lines = [Change(at, "blocked" if plan.kind == BLOCK else "created", owner, digest)]
    if plan.status == EXPIRED:
        lines.append(Change(at + HOLD, "expired", "system"))
    if plan.status == CANCELLED:
        lines.append(Change(at + timedelta(minutes=50), "cancelled", owner))
    if plan.presence in (CHECKED_IN, CHECKED_OUT):
        came_at = moment(plan.check_in, time(15, chance.randrange(60)))
        lines.append(Change(max(at, came_at), CHECKED_IN, DESK))
    if plan.presence == CHECKED_OUT:
        left_at = moment(plan.check_out, time(10, chance.randrange(60)))
        lines.append(Change(max(lines[-1].at, left_at), CHECKED_OUT, DESK))
    if plan.presence == NO_SHOW:
        lines.append(Change(moment(plan.check_in, time(23, 30)), NO_SHOW, DESK))
    return tuple(lines)


def _guest(chance: Random) -> Guest:
    name = chance.choice(NAMES)
    address = f"{to_id(name)}@guest.example"
    return Guest(name, address, f"{PHONE}{chance.randrange(1000):03}")


def _amounts(plan: _Plan, prices: dict[str, int]) -> tuple[tuple[date, int], ...]:
    return tuple(
        (day, sum(price_on(day, prices[room.category]) for room in plan.rooms))
        for day in nights_between(plan.check_in, plan.check_out)
    )

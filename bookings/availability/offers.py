"""Turns a request into an offer: the rooms that could serve it, and its price.

An offer comes from the catalogue and the calendars. Whether its rooms are free is asked later, when
one is chosen and locked.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from bookings.availability.stock import (
    TOO_MANY_GUESTS,
    Stock,
    recent_category_stock,
    recent_room_stock,
)
from bookings.catalogue import calendars, inventory
from bookings.catalogue.calendars import Calendar, Obstacle
from bookings.catalogue.inventory import CategoryFacts, HotelFacts, RoomFacts
from bookings.domain.booking import (
    CHECKED_OUT,
    EXPECTED,
    BookedRoom,
    Booking,
    Price,
    nights_between,
)
from bookings.domain.stay_request import (
    AGREED_FIELD,
    MAX_SLOTS,
    AgreedPrice,
    RoomWish,
    StayRequest,
    judge_length,
)
from bookings.domain.told import Frozen, frozen_amounts, kinds_of
from bookings.refusals import Fault, ValidationFailed

# The field of the request that each obstacle concerns; all others concern the room's own field.
_FIELDS = {
    calendars.MIN_STAY: "checkOut",
    calendars.CLOSED_TO_ARRIVAL: "checkIn",
    calendars.CLOSED_TO_DEPARTURE: "checkOut",
}


@dataclass(frozen=True)
class WantedRoom:
    """One room of a stay, and the rooms that could serve as it."""

    category: str
    guests: int
    candidates: tuple[RoomFacts, ...]


@dataclass(frozen=True)
class Offer:
    """A stay that is for sale, provided that rooms are free.

    `again` is the hold that gave rooms and price, if they do not come from the calendar.
    """

    hotel: HotelFacts
    wanted: tuple[WantedRoom, ...]
    price: Price
    is_by_category: bool
    again: Booking | None = None


def find_offer(
    request: StayRequest, *, at_desk: bool = False, hotels: Collection[str] | None = None
) -> Offer:
    """Checks the request against the catalogue and the calendars. Raises ValidationFailed.

    With `hotels`, rooms and categories of others are unknown.
    """
    found = _read_stock(request)
    if hotels is not None:
        found = {name: stock for name, stock in found.items() if stock.hotel.id in hotels}
    faults: list[Fault] = []
    for wish in request.rooms:
        stock = found.get(_name_of(wish))
        if stock is None or not (stock.hotel.is_open or at_desk):
            what = "room" if wish.room else "category"
            faults.append(Fault(wish.field, f"There is no such {what}."))
        elif not stock.rooms:
            faults.append(Fault(wish.field, "This category has no rooms for sale."))
    if faults:
        raise ValidationFailed(faults)

    stocks = [found[_name_of(wish)] for wish in request.rooms]
    hotel = stocks[0].hotel
    faults += inventory.judge_dates(hotel, request.check_in, request.check_out, at_desk=at_desk)
    for wish, stock in zip(request.rooms, stocks, strict=True):
        if stock.hotel != hotel:
            faults.append(Fault(wish.field, "All rooms of a booking must be in one hotel."))
        for obstacle in stock.obstacles(request.check_in, request.check_out, wish.guests):
            faults.append(Fault(_field_of(obstacle, wish), obstacle.message))
    if faults:
        raise ValidationFailed(list(dict.fromkeys(faults)))

    amounts = [
        stock.calendar.amounts(request.check_in, request.check_out) or () for stock in stocks
    ]
    return Offer(
        hotel=hotel,
        wanted=tuple(
            WantedRoom(stock.category.id, wish.guests, stock.rooms)
            for wish, stock in zip(request.rooms, stocks, strict=True)
        ),
        price=Price(
            hotel.currency,
            # The zip groups the rooms' amounts by night, and each group is added up.
            tuple((same[0][0], sum(n for _, n in same)) for same in zip(*amounts, strict=True)),
        ),
        is_by_category=request.rooms[0].room is None,
    )


def at_agreed_price(offer: Offer, agreed: AgreedPrice) -> Offer:
    """The offer at the total that staff agreed with the guest, spread over the nights as the
    calendar's prices are. Raises ValidationFailed if that is in another currency."""
    currency = offer.price.currency
    if agreed.currency != currency:
        text = f"The hotel sells in {currency}; give the price in {currency}."
        raise ValidationFailed([Fault(f"{AGREED_FIELD}.total", text)])
    return replace(offer, price=offer.price.spread(agreed.total))


def offer_again(hold: Booking) -> Offer:
    """An offer of exactly the rooms that the hold has, at the hold's price."""
    hotel = inventory.find_hotel(hold.hotel)
    assert hotel is not None, "a hotel cannot be deleted before its bookings"
    return Offer(
        hotel=hotel,
        wanted=tuple(
            WantedRoom(
                booked.category, booked.guests, (RoomFacts(booked.room, booked.category, ""),)
            )
            for booked in hold.rooms
        ),
        price=hold.price,
        is_by_category=False,
        again=hold,
    )


def _read_stock(request: StayRequest) -> dict[str, Stock]:
    """The stock for each wish, by the id of the room or category; unknown ids are missing."""
    first, last = request.check_in, request.check_out
    room_id = request.rooms[0].room
    if room_id is None:
        return recent_category_stock(map(_name_of, request.rooms), first, last)
    stock = recent_room_stock(room_id, first, last)
    return {room_id: stock} if stock else {}


def _name_of(wish: RoomWish) -> str:
    return wish.room or wish.category or ""


def _field_of(obstacle: Obstacle, wish: RoomWish) -> str:
    if obstacle.code == TOO_MANY_GUESTS:
        entry = wish.field.rpartition(".")[0]
        return f"{entry}.guests" if entry else "guests"
    return _FIELDS.get(obstacle.code, wish.field)


def judge_move(
    booking: Booking, room_ids: Sequence[str], check_in: date, check_out: date
) -> tuple[BookedRoom, ...]:
    """Checks a move by staff, and returns the booking's rooms after it. Raises ValidationFailed.

    Staff may ignore the calendar's restrictions, but not what is impossible.
    """
    faults = judge_length(check_in, check_out)
    hotel = inventory.find_hotel(booking.hotel)
    assert hotel is not None, "a hotel cannot be deleted before its bookings"
    today = hotel.desk_day()
    # On the day of departure the guest is still there, and may want another night.
    if booking.check_out < today:
        raise ValidationFailed(
            [Fault("checkOut", "This stay has ended and can no longer be moved.")]
        )
    if booking.released_from is not None:
        text = f"The nights from {booking.released_from} were given back; undo the no-show first."
        raise ValidationFailed([Fault("checkOut", text)])
    if booking.check_in < today:
        # The nights already slept stay where they were, so only the end can change.
        text = "This stay has begun; end it today and make a new booking for the other nights."
        if check_in != booking.check_in:
            faults.append(Fault("checkIn", text))
        if tuple(room_ids) != booking.room_ids:
            faults.append(Fault("rooms", text))
        if check_out < today:
            faults.append(Fault("checkOut", "This day has ended at the hotel."))
    elif booking.presence != EXPECTED and check_in != booking.check_in:
        text = "The desk has marked this guest's arrival; undo that, or keep the day of arrival."
        faults.append(Fault("checkIn", text))
    if booking.presence == CHECKED_OUT:
        # Only nights that the guest did not sleep here can be given back.
        text = "The guest has checked out; undo that to move or extend this stay."
        if tuple(room_ids) != booking.room_ids:
            faults.append(Fault("rooms", text))
        if check_out > booking.check_out:
            faults.append(Fault("checkOut", text))
    faults += inventory.judge_dates(
        hotel, today if booking.check_in < today else check_in, check_out, at_desk=True
    )
    if len(set(room_ids)) != len(booking.rooms) or len(room_ids) != len(booking.rooms):
        faults.append(
            Fault("rooms", f"Name {len(booking.rooms)} different rooms for this booking.")
        )
    if len(room_ids) * (check_out - check_in).days > MAX_SLOTS:
        faults.append(
            Fault("rooms", f"A booking can have at most {MAX_SLOTS} nights in all its rooms.")
        )
    if faults:
        raise ValidationFailed(faults)
    rooms = []
    # A booking may keep its own room, under the category it was booked as, even if that room is no
    # longer for sale, now belongs to another category, or is gone.
    its_own = {booked.room: booked.category for booked in booking.rooms}
    for room_id, booked in zip(room_ids, booking.rooms, strict=True):
        room = None if room_id in its_own else inventory.find_room(room_id)
        category_id = room.category if room else its_own.get(room_id, "")
        category = inventory.find_category(category_id) if category_id else None
        if room_id not in its_own and (category is None or category.hotel != booking.hotel):
            faults.append(Fault("rooms", f"There is no room {room_id} for sale in this hotel."))
        elif category and booked.guests > category.occupancy:
            text = f"Room {room_id} sleeps {category.limit}, not {booked.guests}."
            faults.append(Fault("rooms", text))
        else:
            rooms.append(BookedRoom(room_id, category_id, booked.guests))
    categories = [room.category for room in rooms]
    if not faults and has_new_nights(
        booking.price, frozen_amounts(booking), categories, check_in, check_out
    ):
        faults += _judge_currency(booking.price, hotel)
    if faults:
        raise ValidationFailed(faults)
    return tuple(rooms)


def amounts_after_move(
    booking: Booking, rooms: Sequence[BookedRoom], check_in: date, check_out: date
) -> tuple[tuple[date, int], ...]:
    """The amounts by night after a move. Nights that are or were booked keep their amounts, others
    get today's prices. Raises ValidationFailed if those prices cannot be known."""
    categories = {booked.category: inventory.find_category(booked.category) for booked in rooms}
    by_category = calendars.read_calendars(
        [category for category in categories.values() if category], check_in, check_out
    )
    frozen, kinds = frozen_amounts(booking), [booked.category for booked in rooms]
    if has_new_nights(booking.price, frozen, kinds, check_in, check_out):
        _check_prices(booking.price, categories)
    by_room = [by_category[name] for name in kinds if name in by_category]
    return reprice(booking.price, frozen, by_room, kinds, check_in, check_out)


def _check_prices(price: Price, categories: Mapping[str, CategoryFacts | None]) -> None:
    """Raises ValidationFailed if the prices just read cannot be added to this one.

    The currency is read after the prices, since a hotel changes its currency before its prices.
    """
    for name, category in categories.items():
        if category is None:
            text = f"The category {name} no longer exists, so new nights in it have no price."
            raise ValidationFailed([Fault("rooms", f"{text} Choose another room.")])
    for hotel_id in {category.hotel for category in categories.values() if category}:
        hotel = inventory.find_hotel(hotel_id)
        if hotel and (faults := _judge_currency(price, hotel)):
            raise ValidationFailed(faults)


def _judge_currency(price: Price, hotel: HotelFacts) -> list[Fault]:
    """Why the stay cannot get new nights at today's prices: an amount has a single currency."""
    if price.currency == hotel.currency:
        return []
    text = f"This stay is priced in {price.currency} and the hotel now sells in {hotel.currency}"
    return [Fault("checkOut", f"{text}; make a separate booking for the new nights.")]


def has_new_nights(
    price: Price, frozen: Frozen, categories: Sequence[str], check_in: date, check_out: date
) -> bool:
    """Whether any night on these dates, in these kinds of rooms, has no price of its own yet and
    would get today's."""
    kinds, booked = kinds_of(categories), dict(price.nights)
    return any(
        night not in booked and (night, kinds) not in frozen
        for night in nights_between(check_in, check_out)
    )


def reprice(
    price: Price,
    frozen: Frozen,
    by_room: Sequence[Calendar],
    categories: Sequence[str],
    check_in: date,
    check_out: date,
) -> tuple[tuple[date, int], ...]:
    """The amounts by night on these dates in rooms of these categories, with these calendars.

    If the booking ever had a night in rooms of these kinds, that night costs what it did then. A
    night that it has now in rooms of other kinds keeps its price. Any other night has its price
    from the calendars.
    """
    kinds = kinds_of(categories)
    booked = dict(price.nights)

    def amount(night: date) -> int:
        known = frozen.get((night, kinds), booked.get(night))
        if known is not None:
            return known
        return sum(calendar.list_price(night) for calendar in by_room)

    return tuple((night, amount(night)) for night in nights_between(check_in, check_out))

"""What a request comes to: which rooms could serve it, and what it costs.

It asks the catalogue and the calendars; which of the rooms are free is asked later, when one
is chosen and locked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bookings.availability.stock import (
    TOO_MANY_GUESTS,
    Stock,
    read_category_stock,
    read_room_stock,
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
from bookings.domain.stay_request import MAX_SLOTS, RoomWish, StayRequest, judge_length
from bookings.domain.told import Frozen, frozen_amounts, kinds_of
from bookings.refusals import Fault, ValidationFailed

# Which field of the request each obstacle speaks about; for the rest it is the room's own.
_FIELDS = {
    calendars.MIN_STAY: "checkOut",
    calendars.CLOSED_TO_ARRIVAL: "checkIn",
    calendars.CLOSED_TO_DEPARTURE: "checkOut",
}


@dataclass(frozen=True)
class WantedRoom:
    """One room of a stay, and the rooms that it may be."""

    category: str
    guests: int
    candidates: tuple[RoomFacts, ...]


@dataclass(frozen=True)
class Offer:
    """A stay that is for sale, if rooms are free for it.

    `again` is the hold that rooms and price are taken from, where the calendar was not asked.
    """

    hotel: HotelFacts
    wanted: tuple[WantedRoom, ...]
    price: Price
    is_by_category: bool
    again: Booking | None = None


def find_offer(request: StayRequest, *, at_desk: bool = False) -> Offer:
    """Judges the request by the catalogue and the calendars. Raises ValidationFailed."""
    found = _read_stock(request)
    faults: list[Fault] = []
    for wish in request.rooms:
        stock = found.get(_name_of(wish))
        if stock is None:
            what = "room" if wish.room else "category"
            faults.append(Fault(wish.field, f"There is no such {what}."))
        elif not stock.rooms:
            faults.append(Fault(wish.field, "This category has no room for sale."))
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
            # The rooms' amounts for a night stand beside each other, so they are added up.
            tuple((same[0][0], sum(n for _, n in same)) for same in zip(*amounts, strict=True)),
        ),
        is_by_category=request.rooms[0].room is None,
    )


def offer_again(hold: Booking) -> Offer:
    """What is held, as an offer of these very rooms at the price they are held for."""
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
    """What there is of everything that is wished for, by the id of the room or category."""
    first, last = request.check_in, request.check_out
    room_id = request.rooms[0].room
    if room_id is None:
        return read_category_stock(map(_name_of, request.rooms), first, last)
    stock = read_room_stock(room_id, first, last)
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
    """The booking's rooms after staff move it there. Raises ValidationFailed.

    What the calendar restricts does not bind staff; what cannot be does.
    """
    faults = judge_length(check_in, check_out)
    hotel = inventory.find_hotel(booking.hotel)
    assert hotel is not None, "a hotel cannot be deleted before its bookings"
    today = hotel.desk_day()
    # On the day of departure the guest is still there, and may want one night more.
    if booking.check_out < today:
        raise ValidationFailed(
            [Fault("checkOut", "This stay is over; it cannot be moved any more.")]
        )
    if booking.released_from is not None:
        text = f"Nights from {booking.released_from} on were given back; undo the no-show first."
        raise ValidationFailed([Fault("checkOut", text)])
    if booking.check_in < today:
        # Nights that were slept stay where they were, so what is left to change is the end.
        text = "This stay has begun: let it end today, and book the other nights anew."
        if check_in != booking.check_in:
            faults.append(Fault("checkIn", text))
        if tuple(room_ids) != booking.room_ids:
            faults.append(Fault("rooms", text))
        if check_out < today:
            faults.append(Fault("checkOut", "This day is over at the hotel."))
    elif booking.presence != EXPECTED and check_in != booking.check_in:
        text = "The desk has marked this guest's arrival; undo that, or keep the day."
        faults.append(Fault("checkIn", text))
    if booking.presence == CHECKED_OUT:
        # Nights that were not slept may be given back.
        text = "The guest has checked out; undo that to move this stay or to make it longer."
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
            Fault("rooms", f"A booking has at most {MAX_SLOTS} nights, all rooms together.")
        )
    if faults:
        raise ValidationFailed(faults)
    rooms = []
    # Where it is it may stay, as what it is booked: also since that room is no longer for sale,
    # of another category, or gone.
    its_own = {booked.room: booked.category for booked in booking.rooms}
    for room_id, booked in zip(room_ids, booking.rooms, strict=True):
        room = None if room_id in its_own else inventory.find_room(room_id)
        category_id = room.category if room else its_own.get(room_id, "")
        category = inventory.find_category(category_id) if category_id else None
        if room_id not in its_own and (category is None or category.hotel != booking.hotel):
            faults.append(Fault("rooms", f"There is no room {room_id} for sale in this hotel."))
        elif category and booked.guests > category.occupancy:
            text = f"{room_id} takes {category.limit}, not {booked.guests}."
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
    """The amounts by night after a move: nights that are or were booked keep theirs, others cost
    what they cost now. Raises ValidationFailed where that cannot be told."""
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
    """Raises ValidationFailed where prices that were just read cannot be added to this one.

    The currency is read after the prices: a hotel gets another one before it gets other prices.
    """
    for name, category in categories.items():
        if category is None:
            text = f"There is no category {name} any more, so new nights have no price in it."
            raise ValidationFailed([Fault("rooms", f"{text} Choose another room.")])
    for hotel_id in {category.hotel for category in categories.values() if category}:
        hotel = inventory.find_hotel(hotel_id)
        if hotel and (faults := _judge_currency(price, hotel)):
            raise ValidationFailed(faults)


def _judge_currency(price: Price, hotel: HotelFacts) -> list[Fault]:
    """Why the stay gets no new nights at what they cost now, if so: no amount is of two."""
    if price.currency == hotel.currency:
        return []
    text = f"This stay is priced in {price.currency} and the hotel now sells in {hotel.currency}"
    return [Fault("checkOut", f"{text}, so it gets no new nights; book them on their own.")]


def has_new_nights(
    price: Price, frozen: Frozen, categories: Sequence[str], check_in: date, check_out: date
) -> bool:
    """Whether on these dates, in these kinds of rooms, there are nights that cost what they cost
    now: all others have their price."""
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

    A night that it ever had in rooms of these kinds costs what it cost then; one that it has now,
    in others, keeps its price.
    """
    kinds = kinds_of(categories)
    booked = dict(price.nights)

    def amount(night: date) -> int:
        known = frozen.get((night, kinds), booked.get(night))
        if known is not None:
            return known
        return sum(calendar.list_price(night) for calendar in by_room)

    return tuple((night, amount(night)) for night in nights_between(check_in, check_out))

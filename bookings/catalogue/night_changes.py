"""Plans a change of many nights in a hotel's calendar: check it, show it, then add the job.

A plan states what each night is and what it will be, never by how much it changes. So if someone
else has changed its nights meanwhile, it changes none of them. bookings/catalogue/night_jobs.py
makes sure that prices change only once, even if the job is resumed after its worker was killed.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bookings.catalogue import inventory
from bookings.catalogue.calendars import Calendar, CalendarNight, read_calendars
from bookings.catalogue.inventory import HORIZON_DAYS, CategoryFacts, HotelFacts
from bookings.catalogue.nights import MAX_ROWS, WEEKDAYS, NightRow
from bookings.domain.money import format_money
from bookings.domain.stay_request import MAX_NIGHTS
from bookings.infrastructure import clock
from bookings.models import MAX_NIGHT_PRICE
from bookings.refusals import Fault, ValidationFailed

# A rise to more than ten times the price is a typing error.
MAX_PERCENT = Decimal(900)


@dataclass(frozen=True)
class Wish:
    """The values to set; None leaves a value as it is.

    `price` is in minor units. `percent` changes it instead, rounded half up to whole minor units;
    `amount`, in minor units, is added to it instead.
    """

    price: int | None = None
    amount: int | None = None
    percent: Decimal | None = None
    is_closed: bool | None = None
    min_stay: int | None = None
    is_closed_to_arrival: bool | None = None
    is_closed_to_departure: bool | None = None


@dataclass(frozen=True)
class NightChange:
    """One night before and after; a new night is sold by default before."""

    category: CategoryFacts
    day: date
    is_new: bool
    before: CalendarNight
    after: CalendarNight

    @property
    def row(self) -> NightRow:
        """The fields that change, with the values seen and the values to set."""
        fields = zip(FIELDS, _values(self.before), _values(self.after), strict=True)
        changed = {field: (old, new) for field, old, new in fields if old != new}
        return NightRow(
            self.category.id,
            self.day.isoformat(),
            values={field: new for field, (_, new) in changed.items()},
            base_price=self.before.price,
            seen={} if self.is_new else {field: old for field, (old, _) in changed.items()},
        )


@dataclass(frozen=True)
class ChangePlan:
    """The effect of a wish: the nights that change, the number that already are as wished, and the
    number missing from the calendar in categories that sell only its nights."""

    hotel: HotelFacts
    changes: tuple[NightChange, ...]
    same: int
    missing: int

    @property
    def new(self) -> int:
        """How many nights are not in the calendar yet."""
        return sum(change.is_new for change in self.changes)

    @property
    def rows(self) -> list[NightRow]:
        return [change.row for change in self.changes]

    @property
    def digest(self) -> str:
        """A hash of everything that would be written."""
        told = json.dumps(
            [[row.category, row.day, row.values, row.base_price] for row in self.rows]
        )
        return hashlib.sha256(told.encode()).hexdigest()


# The fields of a document of `nights`, in the order of the fields of `CalendarNight`.
FIELDS = ("price", "closed", "min_stay", "closed_to_arrival", "closed_to_departure")


def plan_change(
    *,
    hotel_id: str,
    category_ids: Collection[str],
    first: date,
    last: date,
    weekdays: Collection[str],
    wish: Wish,
) -> ChangePlan:
    """What the wish would change from `first` to `last`, both included, on these weekdays.

    If a night is not in the calendar, it is made if its category sells every date by default and
    the wish changes it; otherwise it counts as missing. Raises ValidationFailed with a sentence for
    each fault.
    """
    hotel = inventory.find_hotel(hotel_id)
    if hotel is None:
        raise ValidationFailed([Fault("hotel", "There is no such hotel.")])
    categories = [
        category for category in inventory.list_categories(hotel_id) if category.id in category_ids
    ]
    days, day_faults = _choose_days(hotel, first, last, weekdays)
    faults = _judge_wish(wish, hotel.currency) + day_faults
    if not categories or len(categories) < len(set(category_ids)):
        faults.append(Fault("categories", "Choose categories of this hotel."))
    elif len(days) * len(categories) > MAX_ROWS:
        faults.append(Fault("last", f"Change at most {MAX_ROWS:,} nights at a time."))
    if faults:
        raise ValidationFailed(faults)

    calendars = read_calendars(categories, first, last)
    changes, same, missing = [], 0, 0
    for category in categories:
        for day in days:
            change = _plan_night(calendars[category.id], day, wish)
            if change is None:
                missing += 1
            elif change.before == change.after:
                same += 1
            else:
                changes.append(change)
    field = "price" if wish.percent is None else "percent"
    if any(change.after.price > MAX_NIGHT_PRICE for change in changes):
        text = f"A night can cost at most {format_money(MAX_NIGHT_PRICE, hotel.currency)}."
        raise ValidationFailed([Fault(field, text)])
    if any(change.after.price < 0 for change in changes):
        text = f"A night cannot cost less than {format_money(0, hotel.currency)}."
        raise ValidationFailed([Fault(field, text)])
    return ChangePlan(hotel, tuple(changes), same, missing)


def _plan_night(calendar: Calendar, day: date, wish: Wish) -> NightChange | None:
    stored = calendar.days.get(day)
    if stored is None and not calendar.category.sell_by_default:
        return None
    before = stored or CalendarNight(calendar.category.default_price)
    after = CalendarNight(
        price=_price_after(before.price, wish),
        is_closed=_either(wish.is_closed, before.is_closed),
        min_stay=_either(wish.min_stay, before.min_stay),
        is_closed_to_arrival=_either(wish.is_closed_to_arrival, before.is_closed_to_arrival),
        is_closed_to_departure=_either(wish.is_closed_to_departure, before.is_closed_to_departure),
    )
    return NightChange(calendar.category, day, stored is None, before, after)


def _price_after(price: int, wish: Wish) -> int:
    if wish.amount is not None:
        return price + wish.amount
    if wish.percent is None:
        return _either(wish.price, price)
    raised = Decimal(price) * (100 + wish.percent) / 100
    return int(raised.quantize(Decimal(1), ROUND_HALF_UP))


def _judge_wish(wish: Wish, currency: str) -> list[Fault]:
    faults = []
    if wish == Wish():
        faults.append(Fault("", "Choose something to set."))
    if sum(value is not None for value in (wish.price, wish.amount, wish.percent)) > 1:
        faults.append(Fault("percent", "Give either a price or a change of it."))
    if wish.amount is not None and abs(wish.amount) > MAX_NIGHT_PRICE:
        faults.append(Fault("price", f"Give at most {format_money(MAX_NIGHT_PRICE, currency)}."))
    if wish.price is not None and not 0 <= wish.price <= MAX_NIGHT_PRICE:
        faults.append(Fault("price", f"Give at most {format_money(MAX_NIGHT_PRICE, currency)}."))
    if wish.percent is not None and not -100 <= wish.percent <= MAX_PERCENT:
        faults.append(Fault("percent", f"Give a change from -100 to {MAX_PERCENT} percent."))
    if wish.min_stay is not None and not 1 <= wish.min_stay <= MAX_NIGHTS:
        faults.append(Fault("min_stay", f"Give a minimum stay from 1 to {MAX_NIGHTS} nights."))
    return faults


def _choose_days(
    hotel: HotelFacts, first: date, last: date, weekdays: Collection[str]
) -> tuple[list[date], list[Fault]]:
    """The days, and what is wrong with the choice of them; after a fault there are no days."""
    today = clock.today(hotel.time_zone)
    if last < first:
        return [], [Fault("last", "Choose a last night that is not before the first.")]
    if first < today:
        text = f"Choose a first night from today on; today is {today} at the hotel."
        return [], [Fault("first", text)]
    if last > today + timedelta(days=HORIZON_DAYS):
        return [], [Fault("last", f"Nights can be sold at most {HORIZON_DAYS} days ahead.")]
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    days = [day for day in days if WEEKDAYS[day.weekday()] in weekdays]
    if not days:
        text = "Choose weekdays that occur between the first and the last night."
        return [], [Fault("weekdays", text)]
    return days, []


def _values(night: CalendarNight) -> tuple[Any, ...]:
    return (
        night.price,
        night.is_closed,
        night.min_stay,
        night.is_closed_to_arrival,
        night.is_closed_to_departure,
    )


def _either(wished: Any, present: Any) -> Any:
    return present if wished is None else wished

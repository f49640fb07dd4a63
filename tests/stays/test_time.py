"""Clock and calendar: the moment is MongoDB's, the day is the hotel's.

MongoDB's own clock cannot be set. So where the calendar date itself matters (a day that ends, a
clock change, 29 February), `clock.now` is fixed to a moment. Those tests leave out holds, which
MongoDB also measures by its own clock. The tests of a wrong wall clock move only this process's
time, and everything else is real.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from bookings import tasks
from bookings.availability import search
from bookings.domain.callers import Caller
from bookings.infrastructure import clock, connections
from bookings.refusals import ValidationFailed
from bookings.stays.outcomes import Outcome
from tests.calls import book, cancel, confirm, extend, let_hold_end, stored
from tests.hotels import put_night

Patch = pytest.MonkeyPatch

RIVAL = Caller("client", "rival")
DAY = timedelta(days=1)

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


def put_hotel(time_zone: str, *, check_in: str = "15:00", cancel_hours: int = 0) -> None:
    """Moves the inn to another part of the world."""
    hour, minute = map(int, check_in.split(":"))
    connections.database()["hotels"].update_one(
        {"_id": "inn"},
        {
            "$set": {
                "time_zone": time_zone,
                "check_in_time": datetime(1, 1, 1, hour, minute),  # noqa: DTZ001 a time of day
                "cancel_hours": cancel_hours,
                "anonymous_hold_percent": 50,
            }
        },
    )


def fix_clock(patch: Patch, moment: datetime | str) -> None:
    """Fixes the clock to this moment, written in UTC."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    fixed = moment
    patch.setattr(clock, "now", lambda: fixed)


def stay(first: date | str, last: date | str, key: str = "key", **fields: Any) -> Outcome:
    wish = {"resourceId": "inn_S", "checkIn": str(first), "checkOut": str(last), **fields}
    return book(key, **wish)


def faults(refused: Outcome) -> list[str]:
    assert refused.answer.status == 400
    return [error["field"] for error in refused.content["errors"]]


def nights_of(made: Outcome) -> list[str]:
    return [night["date"] for night in made.content["booking"]["price"]["nights"]]


# --- Which day it is ------------------------------------------------------------------------

# Fourteen hours ahead of UTC, eleven and twelve behind: just before and just after midnight.
MIDNIGHTS = [
    ("Pacific/Kiritimati", "2027-06-30T09:59:59.999", "2027-06-30"),
    ("Pacific/Kiritimati", "2027-06-30T10:00", "2027-07-01"),
    ("Pacific/Pago_Pago", "2027-07-01T10:59:59.999", "2027-06-30"),
    ("Pacific/Pago_Pago", "2027-07-01T11:00", "2027-07-01"),
    ("Etc/GMT+12", "2027-07-01T11:59:59.999", "2027-06-30"),
    ("Etc/GMT+12", "2027-07-01T12:00", "2027-07-01"),
    ("UTC", "2027-06-30T23:59:59.999", "2027-06-30"),
    ("UTC", "2027-07-01T00:00", "2027-07-01"),
]


@pytest.fixture(params=MIDNIGHTS, ids=lambda case: f"{case[0]}-{case[1]}")
def today(request: pytest.FixtureRequest, monkeypatch: Patch) -> date:
    """Returns the hotel's day, on a server whose own day may differ."""
    time_zone, moment, day = request.param
    put_hotel(time_zone)
    fix_clock(monkeypatch, moment)
    return date.fromisoformat(day)


def test_books_tonight_by_the_hotels_calendar_and_not_last_night(today: date) -> None:
    refused = stay(today - DAY, today)
    made = stay(today, today + DAY)

    assert faults(refused) == ["checkIn"]
    assert made.code is None


def test_sells_two_years_from_the_hotels_day(today: date) -> None:
    refused = stay(today + 729 * DAY, today + 731 * DAY)
    made = stay(today + 729 * DAY, today + 730 * DAY)

    assert faults(refused) == ["checkOut"]
    assert made.code is None


def test_searches_from_the_hotels_day_on(today: date) -> None:
    with pytest.raises(ValidationFailed):
        search.find_stays(hotel_id="inn", check_in=today - DAY, check_out=today)
    with pytest.raises(ValidationFailed):
        search.find_free_rooms(hotel_id="inn", night=today - DAY)
    free = search.find_free_rooms(hotel_id="inn", night=today)
    found = search.find_stays(hotel_id="inn", check_in=today, check_out=today + DAY)
    days = [
        day
        for month in {today - DAY, today}
        for day in search.read_month(category_id="inn_single", year=month.year, month=month.month)
    ]

    assert "inn_S" in [room.room.id for room in free.rooms]
    assert [stay.rooms_left for stay in found if stay.category.id == "inn_single"] == [1]
    assert min(day.date for day in days if day.shortest) == today


# --- The deadline for cancelling ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_zone", "check_in", "hours", "day", "last_moment"),
    [
        ("Pacific/Kiritimati", "15:00", 0, "2027-07-01", "2027-07-01T01:00"),
        ("Pacific/Kiritimati", "15:00", 24, "2027-07-01", "2027-06-30T01:00"),
        ("Etc/GMT+12", "15:00", 0, "2027-07-01", "2027-07-02T03:00"),
        # The clocks go from 02:00 to 03:00: half past two is half past three.
        ("Europe/Berlin", "02:30", 0, "2027-03-28", "2027-03-28T01:30"),
        ("America/New_York", "02:30", 0, "2027-03-14", "2027-03-14T07:30"),
        # They show the hour before 03:00 (in New York 02:00) twice: the first one counts.
        ("Europe/Berlin", "02:30", 0, "2027-10-31", "2027-10-31T00:30"),
        ("America/New_York", "01:30", 0, "2027-11-07", "2027-11-07T05:30"),
        # A day before 15:00 is 15:00, even if the clocks changed meanwhile.
        ("Europe/Berlin", "15:00", 24, "2027-03-28", "2027-03-27T14:00"),
        ("Europe/Berlin", "15:00", 24, "2027-10-31", "2027-10-30T13:00"),
        ("Europe/Berlin", "15:00", 48, "2027-03-29", "2027-03-27T14:00"),
        ("America/New_York", "15:00", 24, "2027-03-14", "2027-03-13T20:00"),
        ("America/New_York", "15:00", 24, "2027-11-07", "2027-11-06T19:00"),
        ("America/New_York", "15:00", 24 * 365, "2027-11-07", "2026-11-07T20:00"),
        # A part of a day is counted on the clock as well: 36 hours before 15:00 is 03:00.
        ("Europe/Berlin", "15:00", 36, "2027-03-29", "2027-03-28T01:00"),
        ("Europe/Berlin", "15:00", 12, "2027-10-31", "2027-10-31T02:00"),
        # The result may be a time that the clock skips (half past two is half past three) or shows
        # twice.
        ("Europe/Berlin", "15:30", 13, "2027-03-28", "2027-03-28T01:30"),
        ("Europe/Berlin", "15:30", 13, "2027-10-31", "2027-10-31T00:30"),
    ],
)
def test_is_cancelled_until_the_hotels_last_moment(
    monkeypatch: Patch, time_zone: str, check_in: str, hours: int, day: str, last_moment: str
) -> None:
    put_hotel(time_zone, check_in=check_in, cancel_hours=hours)
    last = datetime.fromisoformat(last_moment).replace(tzinfo=UTC)
    arrival = date.fromisoformat(day)
    fix_clock(monkeypatch, "2026-11-01T12:00")
    made = stay(arrival, arrival + DAY)

    fix_clock(monkeypatch, last)
    too_late = cancel(made)
    fix_clock(monkeypatch, last - timedelta(milliseconds=1))
    in_time = cancel(made)

    assert too_late.code == "NOT_CANCELLABLE"
    assert in_time.content["booking"]["status"] == "cancelled"


# --- Nights are dates ---------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["resourceId", "categoryId"])
@pytest.mark.parametrize(
    ("time_zone", "first", "last", "nights"),
    [
        ("Europe/Berlin", "2027-03-27", "2027-03-29", ["2027-03-27", "2027-03-28"]),
        ("Europe/Berlin", "2027-10-30", "2027-11-01", ["2027-10-30", "2027-10-31"]),
        ("America/New_York", "2027-03-13", "2027-03-15", ["2027-03-13", "2027-03-14"]),
        ("America/New_York", "2027-11-06", "2027-11-08", ["2027-11-06", "2027-11-07"]),
        ("UTC", "2027-12-30", "2028-01-02", ["2027-12-30", "2027-12-31", "2028-01-01"]),
        ("UTC", "2028-02-28", "2028-03-01", ["2028-02-28", "2028-02-29"]),
        ("UTC", "2028-02-29", "2028-03-01", ["2028-02-29"]),
        ("UTC", "2027-02-28", "2027-03-01", ["2027-02-28"]),
    ],
)
def test_has_as_many_nights_as_dates(
    monkeypatch: Patch, by: str, time_zone: str, first: str, last: str, nights: list[str]
) -> None:
    put_hotel(time_zone)
    fix_clock(monkeypatch, "2027-01-01T12:00")
    check_in, check_out = date.fromisoformat(first), date.fromisoformat(last)
    which = {by: "inn_S" if by == "resourceId" else "inn_single"}

    offered = search.find_stays(hotel_id="inn", check_in=check_in, check_out=check_out)
    made = book("key", **which, checkIn=first, checkOut=last)
    before = stay(check_in - DAY, check_in, "before")
    after = stay(check_out, check_out + DAY, "after")

    price = next(found.price for found in offered if found.category.id == "inn_single")
    assert price is not None
    assert [str(night) for night, _ in price.nights] == nights_of(made) == nights
    assert made.content["booking"]["price"]["total"] == price.total == 7_000 * len(nights)
    assert stored()[0]["slots"] == [f"{night}|inn_S" for night in nights]
    assert (before.code, after.code) == (None, None)


@pytest.mark.parametrize(
    "dates",
    [
        {"date": "2027-02-29"},
        {"checkIn": "2027-02-29", "checkOut": "2027-03-01"},
        {"checkIn": "2027-02-28", "checkOut": "2027-02-29"},
    ],
    ids=lambda dates: "-".join(dates.values()),
)
@pytest.mark.parametrize(
    "which",
    [
        {"resourceId": "inn_S"},
        {"categoryId": "inn_single"},
        {"rooms": [{"categoryId": "inn_single"}]},
    ],
    ids=lambda which: next(iter(which)),
)
def test_knows_no_29_february_in_a_common_year(
    monkeypatch: Patch, which: dict[str, Any], dates: dict[str, str]
) -> None:
    fix_clock(monkeypatch, "2027-01-01T12:00")
    wrong = next(field for field, day in dates.items() if day == "2027-02-29")

    refused = book("key", **which, **dates)

    assert faults(refused) == [wrong]
    assert stored() == []


def test_shows_29_february_where_there_is_one(monkeypatch: Patch) -> None:
    fix_clock(monkeypatch, "2027-01-01T12:00")
    stay("2028-02-29", "2028-03-01")

    leap, common = (
        search.read_month(category_id="inn_single", year=year, month=2) for year in (2028, 2027)
    )

    assert (str(leap[-1].date), leap[-1].rooms_left) == ("2028-02-29", 0)
    assert str(common[-1].date) == "2027-02-28"


def test_prices_each_night_of_a_clock_change_once(monkeypatch: Patch) -> None:
    put_hotel("Europe/Berlin")
    fix_clock(monkeypatch, "2027-01-01T12:00")
    put_night("inn_single", "2027-03-28", price=9_000)
    put_night("inn_single", "2027-10-31", price=5_000)

    spring = stay("2027-03-27", "2027-03-30", "spring")
    autumn = stay("2027-10-30", "2027-11-02", "autumn")

    assert spring.content["booking"]["price"]["total"] == 7_000 + 9_000 + 7_000
    assert autumn.content["booking"]["price"]["total"] == 7_000 + 5_000 + 7_000


# --- A wall clock that is an hour off ------------------------------------------------------------


@pytest.fixture(params=[-1, 1], ids=["an hour behind", "an hour ahead"])
def wrong_clock(request: pytest.FixtureRequest, monkeypatch: Patch) -> Iterator[None]:
    """This process's time is an hour off, and it has forgotten its earlier readings."""
    right = datetime.now(UTC)
    with time_machine.travel(right + timedelta(hours=request.param), tick=True):
        monkeypatch.setattr(clock, "_clock", clock._MongoClock())
        assert abs(datetime.now(UTC) - mongodb_time()) > timedelta(minutes=59)
        yield


def mongodb_time() -> datetime:
    local_time: datetime = connections.database().client.admin.command("hello")["localTime"]
    return local_time.replace(tzinfo=UTC)


def seconds_left(outcome: Outcome) -> float:
    ends_at = datetime.fromisoformat(outcome.content["booking"]["expiresAt"])
    return (ends_at - mongodb_time()).total_seconds()


@pytest.mark.usefixtures("wrong_clock")
def test_holds_for_fifteen_minutes_of_mongodbs_time() -> None:
    held = book(hold=True)

    made_at = datetime.fromisoformat(held.content["booking"]["createdAt"])
    assert abs(made_at - mongodb_time()) < timedelta(minutes=1)
    assert 14 * 60 < seconds_left(held) <= 15 * 60


@pytest.mark.usefixtures("wrong_clock")
def test_neither_tidies_nor_sells_what_is_held() -> None:
    held = book(hold=True)

    tasks.expire_holds()
    rival = book("rival", caller=RIVAL)
    confirmed = confirm(held)

    assert rival.code == "ALREADY_BOOKED"
    assert confirmed.content["booking"]["status"] == "confirmed"


@pytest.mark.usefixtures("wrong_clock")
@pytest.mark.parametrize("tidied", [False, True])
def test_sells_what_was_held(tidied: bool) -> None:
    book(hold=True)
    let_hold_end()
    if tidied:
        tasks.expire_holds()

    rival = book("rival", caller=RIVAL)

    assert rival.code is None
    assert [booking["status"] for booking in stored()] == ["expired", "confirmed"]


@pytest.mark.usefixtures("wrong_clock")
@pytest.mark.parametrize(("minutes_ago", "code"), [(9, None), (11, "HOLD_EXPIRED")])
@pytest.mark.parametrize("tidied", [False, True])
def test_is_confirmed_late_for_ten_minutes(
    minutes_ago: float, code: str | None, tidied: bool
) -> None:
    held = book(hold=True)
    let_hold_end(minutes_ago)
    if tidied:
        tasks.expire_holds()

    assert confirm(held).code == code


@pytest.mark.usefixtures("wrong_clock")
def test_is_extended_by_mongodbs_time_while_it_lives() -> None:
    held = book(hold=True)
    longer = extend(held)
    let_hold_end()
    dead = extend(held, "once-more")

    assert 14 * 60 < seconds_left(longer) <= 15 * 60
    assert dead.code == "HOLD_EXPIRED"


@pytest.mark.usefixtures("wrong_clock")
@pytest.mark.parametrize(("minutes_left", "code"), [(30, None), (-30, "NOT_CANCELLABLE")])
def test_is_cancelled_until_the_deadline_by_mongodbs_time(
    minutes_left: int, code: str | None
) -> None:
    last = mongodb_time() + timedelta(minutes=minutes_left)
    put_hotel("UTC", check_in=f"{last:%H:%M}", cancel_hours=48)
    arrival = (last + timedelta(hours=48)).date()
    made = stay(arrival, arrival + DAY)

    assert cancel(made).code == code


@pytest.mark.usefixtures("wrong_clock")
def test_reads_the_day_off_mongodbs_clock() -> None:
    """Somewhere the last hour of a day runs, somewhere the first: there an hour off would show."""
    for ahead_h in range(-12, 15):
        zone = f"Etc/GMT{-ahead_h:+d}"

        before = mongodb_time().astimezone(ZoneInfo(zone)).date()
        today = clock.today(zone)
        after = mongodb_time().astimezone(ZoneInfo(zone)).date()

        assert before <= today <= after

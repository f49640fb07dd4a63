"""After midnight the desk still sells, and marks, the night that has begun; guests cannot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings.availability import search
from bookings.catalogue.inventory import find_hotel
from bookings.domain.booking import CHECKED_IN, NO_SHOW
from bookings.domain.callers import Caller
from bookings.front_desk import blocks, marks
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Hotel
from bookings.refusals import ValidationFailed
from bookings.stays import create, lifecycle
from bookings.stays.outcomes import Outcome
from tests.admin.test_bookings import ADD
from tests.calls import book, stored

Patch = pytest.MonkeyPatch

STAFF = Caller("user", "staff")
EVE, TODAY, MORROW = date(2027, 6, 29), date(2027, 6, 30), date(2027, 7, 1)
AT_ONE = "2027-06-30T01:00"
LAST_MOMENT, OVER = "2027-06-30T04:59:59.999", "2027-06-30T05:00"

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture(autouse=True)
def _until_five(inn: None) -> None:
    connections.database()["hotels"].update_one(
        {"_id": "inn"},
        {"$set": {"end_of_day": datetime(1, 1, 1, 5)}},  # noqa: DTZ001 a time of day
    )


def fix_clock(patch: Patch, moment: str) -> None:
    fixed = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    patch.setattr(clock, "now", lambda: fixed)


def sell(
    first: date = EVE, end: date = TODAY, key: str = "walk-in", room: str = "inn_A"
) -> Outcome:
    """Sells to a guest at the desk."""
    payload = {"resourceId": room, "checkIn": f"{first}", "checkOut": f"{end}"}
    return create.create_booking(
        caller=STAFF,
        key_header=key,
        read_payload=lambda: payload,
        deadline=Deadline.after(10),
        as_staff=True,
    )


def mark(made: Outcome, what: str) -> Outcome:
    return marks.mark_stay(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        mark=what,
        key_header=what,
        deadline=Deadline.after(10),
    )


def move(made: Outcome, room: str, first: date, end: date) -> Outcome:
    return lifecycle.move_booking(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=(room,),
        check_in=first,
        check_out=end,
    )


@pytest.mark.parametrize(
    ("time_zone", "moment", "ends_at", "day"),
    [
        ("UTC", "2027-06-30T00:00", time(5), EVE),
        ("UTC", LAST_MOMENT, time(5), EVE),
        ("UTC", OVER, time(5), TODAY),
        ("UTC", "2027-06-30T00:00", time(0), TODAY),
        ("Pacific/Kiritimati", "2027-06-29T11:00", time(5), EVE),
        ("Pacific/Kiritimati", "2027-06-29T15:00", time(5), TODAY),
        # The clocks show the hour before three o'clock twice, and skip it in spring.
        ("Europe/Berlin", "2027-10-31T01:59", time(3), date(2027, 10, 30)),
        ("Europe/Berlin", "2027-10-31T02:00", time(3), date(2027, 10, 31)),
        ("Europe/Berlin", "2027-03-28T00:59", time(3), date(2027, 3, 27)),
        ("Europe/Berlin", "2027-03-28T01:00", time(3), date(2027, 3, 28)),
    ],
)
def test_is_the_day_before_until_the_end_of_day(
    monkeypatch: Patch, time_zone: str, moment: str, ends_at: time, day: date
) -> None:
    fix_clock(monkeypatch, moment)

    assert clock.desk_day(time_zone, ends_at) == day


def test_sells_the_night_that_has_begun_at_the_desk_until_then(monkeypatch: Patch) -> None:
    fix_clock(monkeypatch, LAST_MOMENT)
    in_time = sell()
    too_early = sell(EVE - timedelta(days=1), key="earlier", room="inn_B")
    fix_clock(monkeypatch, OVER)
    too_late = sell(key="later", room="inn_B")

    assert in_time.code is None
    assert [refused.content["errors"][0]["field"] for refused in (too_early, too_late)] == [
        "checkIn",
        "checkIn",
    ]


def test_sells_guests_and_partners_no_night_that_has_begun(monkeypatch: Patch) -> None:
    fix_clock(monkeypatch, AT_ONE)
    dates = {"checkIn": str(EVE), "checkOut": str(TODAY)}

    for number, caller in enumerate([Caller("guest", "a"), Caller("client", "b", True), STAFF]):
        refused = book(f"key-{number}", caller=caller, resourceId="inn_A", **dates)
        assert refused.content["errors"][0]["field"] == "checkIn"
    with pytest.raises(ValidationFailed):
        search.find_stays(hotel_id="inn", check_in=EVE, check_out=TODAY)
    with pytest.raises(ValidationFailed):
        search.find_free_rooms(hotel_id="inn", night=EVE)


@pytest.mark.parametrize("what", [CHECKED_IN, NO_SHOW])
def test_marks_who_was_to_come_the_evening_before(monkeypatch: Patch, what: str) -> None:
    fix_clock(monkeypatch, AT_ONE)

    made = sell()

    assert mark(made, what).code is None
    assert stored()[0]["presence"] == what


def test_moves_a_guest_who_comes_after_midnight(monkeypatch: Patch) -> None:
    fix_clock(monkeypatch, AT_ONE)
    made = sell()

    moved = move(made, "inn_B", EVE, TODAY)

    assert moved.content["booking"]["resourceId"] == "inn_B"


def test_moves_no_guest_whose_night_is_over(monkeypatch: Patch) -> None:
    fix_clock(monkeypatch, AT_ONE)
    made = sell()
    fix_clock(monkeypatch, OVER)

    refused = move(made, "inn_B", EVE, TODAY)

    assert refused.content["errors"][0]["field"] == "rooms"


def test_puts_forward_who_comes_a_night_early(monkeypatch: Patch) -> None:
    fix_clock(monkeypatch, AT_ONE)
    made = sell(TODAY, MORROW)

    moved = move(made, "inn_A", EVE, MORROW)

    assert moved.content["booking"]["checkIn"] == str(EVE)


def test_blocks_a_room_for_the_night_that_has_begun(monkeypatch: Patch) -> None:
    fix_clock(monkeypatch, AT_ONE)

    blocked = blocks.block_rooms(
        actor=STAFF,
        room_ids=("inn_A",),
        first=EVE,
        end=MORROW,
        reason="Burst pipe",
        key_header="block",
        deadline=Deadline.after(10),
    )

    assert blocked.code is None


# --- The desk's pages --------------------------------------------------------------------------


@pytest.fixture
def desk(client: Client) -> Callable[[], Client]:
    """A member of staff who logs in now, whenever that is."""
    user = User.objects.create_superuser("staff")

    def log_in() -> Client:
        client.force_login(user)
        return client

    return log_in


def test_lists_who_was_to_come_the_evening_before(
    desk: Callable[[], Client], monkeypatch: Patch
) -> None:
    fix_clock(monkeypatch, AT_ONE)
    sell()

    page = desk().get("/admin/desk/today/", {"hotel": "inn"})

    assert page.context["choice"].day == EVE
    arrivals = dict(page.context["lists"])["Arrivals"]
    assert [[mark for mark, _ in line.buttons] for line in arrivals] == [[CHECKED_IN, NO_SHOW]]


@pytest.mark.parametrize(("moment", "first"), [(AT_ONE, EVE), (OVER, TODAY)])
def test_offers_the_night_that_has_begun(
    desk: Callable[[], Client], monkeypatch: Patch, moment: str, first: date
) -> None:
    fix_clock(monkeypatch, moment)

    rooms = desk().get("/admin/desk/rooms/", {"hotel": "inn"})
    form = desk().get(ADD, {"hotel": "inn"}).context["form"]
    grid = desk().get("/admin/desk/occupancy/", {"hotel": "inn", "start": str(EVE)})

    assert rooms.context["choice"].day == first
    assert [line.why_not for line in rooms.context["lines"] if line.name == "Double"] == [""]
    assert form["check_in"].value() == first
    assert form.offered.startswith("Free for these dates")
    assert (f"/{EVE}/" in grid.content.decode()) == (first == EVE)


def test_books_a_walk_in_by_the_form(desk: Callable[[], Client], monkeypatch: Patch) -> None:
    fix_clock(monkeypatch, AT_ONE)
    form = desk().get(ADD, {"hotel": "inn", "room": "inn_A"}).context["form"]
    typed: dict[str, Any] = {name: form[name].value() or "" for name in form.fields}

    desk().post(ADD, {**typed, "guest_name": "Ada"})

    assert [booking["check_in"] for booking in stored()] == [str(EVE)]


@pytest.mark.parametrize(("ends_at", "is_valid"), [(time(12), True), (time(12, 1), False)])
def test_lets_a_day_end_by_noon(ends_at: time, is_valid: bool) -> None:
    hotel = Hotel(id="new", code="NEW", name="New", end_of_day=ends_at)

    if is_valid:
        hotel.full_clean()
    else:
        with pytest.raises(Exception, match="end_of_day"):
            hotel.full_clean()


def test_takes_a_hotel_of_the_release_before_this_one_as_it_is() -> None:
    connections.database()["hotels"].update_one(
        {"_id": "inn"}, {"$unset": {"end_of_day": "", "release_no_shows": ""}}
    )

    hotel = find_hotel("inn")

    assert hotel is not None
    assert (hotel.end_of_day, hotel.release_no_shows) == (time(5), True)

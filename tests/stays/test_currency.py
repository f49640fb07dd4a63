"""A hotel's currency, and bookings in another one: no amount ever mixes two."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings.catalogue import calendars
from bookings.domain.booking import BLOCK, NO_SHOW, from_document
from bookings.domain.callers import Caller
from bookings.front_desk import move_options
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Hotel
from bookings.refusals import ValidationFailed
from bookings.stays import lifecycle
from bookings.stays.outcomes import Outcome
from bookings.stays.writing import expiry
from tests.calls import book, confirm, let_hold_end, stored
from tests.conftest import night

STAFF = Caller("user", "staff")
INN = "/admin/bookings/hotel/inn/change/"

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


def stay(first: int = 10, last: int = 12, **fields: Any) -> Outcome:
    dates = {"checkIn": night(first), "checkOut": night(last)}
    return book(resourceId="inn_A", **dates, **fields)


def let_it_lie(first: int, last: int, **fields: Any) -> None:
    """Moves the booking's dates, as time would have done."""
    nights = [night(day) for day in range(first, last)]
    dates = {"check_in": night(first), "check_out": night(last)}
    slots = [f"{day}|inn_A" for day in fields.pop("kept", nights)]
    connections.collection("bookings").update_one({}, {"$set": {**dates, "slots": slots, **fields}})


def ask_for_yen(desk: Client) -> str:
    """Returns the currency that the hotel has after staff asked for yen."""
    shown = desk.get(INN).context["adminform"].form.initial
    desk.post(INN, {**shown, "currency": "JPY"})
    return Hotel.objects.get(pk="inn").currency


def sell_in_yen() -> None:
    """As if the booking had been on its way while the currency changed."""
    connections.database()["hotels"].update_one({"_id": "inn"}, {"$set": {"currency": "JPY"}})


def move(made: Outcome, first: int = 10, last: int = 12, room: str = "inn_A") -> Outcome:
    return lifecycle.move_booking(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        key_header=f"move-{room}-{first}-{last}",
        deadline=Deadline.after(10),
        room_ids=(room,),
        check_in=date.fromisoformat(night(first)),
        check_out=date.fromisoformat(night(last)),
    )


# --- The guard ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_swept", [True, False])
def test_stays_while_a_hold_that_ran_out_can_be_confirmed(desk: Client, is_swept: bool) -> None:
    held = stay(hold=True)
    let_hold_end(minutes_ago=9)
    if is_swept:
        assert expiry.expire_dead_holds(limit=10).expired == 1

    assert ask_for_yen(desk) == "EUR"
    assert confirm(held).code is None


def test_stays_while_a_stay_that_ends_today_can_be_made_longer(desk: Client) -> None:
    made = stay(1, 3)
    let_it_lie(-2, 0)

    assert ask_for_yen(desk) == "EUR"
    assert move(made, -2, 1).code is None


def test_stays_until_the_desks_day_is_over(desk: Client) -> None:
    # Somewhere it is two in the morning.
    hours = (datetime.now(UTC).hour - 2 + 11) % 24 - 11
    zone = f"Etc/GMT{hours:+}"
    today = datetime.now(ZoneInfo(zone)).date()
    stay()
    first, second, end = (f"{today - timedelta(days=days)}" for days in (3, 2, 1))
    ended = {"check_in": first, "check_out": end, "slots": [f"{first}|inn_A", f"{second}|inn_A"]}
    connections.collection("bookings").update_one({}, {"$set": ended})
    Hotel.objects.filter(pk="inn").update(time_zone=zone, end_of_day=time(5))

    assert ask_for_yen(desk) == "EUR"
    Hotel.objects.filter(pk="inn").update(end_of_day=time(0))
    assert ask_for_yen(desk) == "JPY"


def test_stays_while_a_no_show_can_have_its_nights_back(desk: Client) -> None:
    stay(1, 3)
    let_it_lie(-9, 2, kept=[night(-9)], presence=NO_SHOW, released_from=night(-8))

    assert ask_for_yen(desk) == "EUR"


@pytest.mark.parametrize(
    ("first", "last", "fields"),
    [(-3, -1, {}), (10, 12, {"kind": BLOCK}), (10, 12, {"status": "cancelled"})],
)
def test_changes_once_nothing_can_get_another_price(
    desk: Client, first: int, last: int, fields: dict[str, Any]
) -> None:
    stay()
    let_it_lie(first, last, **fields)

    assert ask_for_yen(desk) == "JPY"


@pytest.mark.parametrize("is_swept", [True, False])
def test_changes_once_a_hold_cannot_be_confirmed_any_more(desk: Client, is_swept: bool) -> None:
    stay(hold=True)
    let_hold_end(minutes_ago=10.1)
    if is_swept:
        assert expiry.expire_dead_holds(limit=10).expired == 1

    assert ask_for_yen(desk) == "JPY"


# --- Bookings that were made in another currency after all --------------------------------------


def test_gets_no_new_night_in_another_currency() -> None:
    made = stay()
    sell_in_yen()
    before = stored()

    longer = move(made, last=13)

    assert longer.code == "VALIDATION_ERROR"
    assert longer.content["errors"][0]["message"] == (
        "This stay is priced in EUR and the hotel now sells in JPY; "
        "make a separate booking for the new nights."
    )
    assert stored() == before


def test_keeps_its_nights_in_another_room_and_gives_some_back() -> None:
    made = stay()
    sell_in_yen()

    elsewhere = move(made, room="inn_B")
    shorter = move(made, last=11, room="inn_B")

    assert (elsewhere.code, shorter.code) == (None, None)
    assert shorter.content["booking"]["price"]["currency"] == "EUR"
    assert shorter.content["booking"]["price"]["total"] == 10_000


def test_is_judged_by_the_currency_that_the_new_prices_are_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = stay()
    read = calendars.read_calendars

    def read_in_yen(*arguments: Any) -> Any:
        sell_in_yen()
        return read(*arguments)

    monkeypatch.setattr(calendars, "read_calendars", read_in_yen)

    assert "now sells in JPY" in str(move(made, last=13).content)


def test_offers_no_sum_of_two_currencies() -> None:
    stay()
    sell_in_yen()
    (booking,) = map(from_document, stored())

    with pytest.raises(ValidationFailed, match="now sells in JPY"):
        move_options.find_move_options(
            booking, date.fromisoformat(night(10)), date.fromisoformat(night(13))
        )

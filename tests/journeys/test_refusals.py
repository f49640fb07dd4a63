"""The pages after a refusal say what happened and what to do next."""

from __future__ import annotations

from datetime import date

import pytest
from playwright.sync_api import expect

from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.stays import lifecycle
from tests.calls import let_hold_end
from tests.conftest import night
from tests.hotels import put_night
from tests.journeys.conftest import Visit
from tests.journeys.visitor import Visitor, statuses, stored
from tests.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]

# The inn has one single room.
LAST_ROOM = {"hotel": "inn", "guests": 1}


def test_tells_the_loser_of_the_last_room(visit: Visit, site: Site) -> None:
    winner, loser = visit(), visit()
    for rival in (winner, loser):
        rival.look_for(**LAST_ROOM)
    site.faults.arm("after_lock", "pause")

    winner.hold_button("Single").click(no_wait_after=True)
    site.faults.wait_for("paused")
    loser.hold_button("Single").click()
    loser.expect_text("Someone else is booking it right now but may not finish.")
    site.faults.go()
    winner.expect_heading("Your room is held")
    loser.hold_button("Single").click()

    loser.expect_text("Someone else has just taken the last one for these nights.")
    loser.expect_text("Sold out on")
    expect(loser.hold_button("Single")).to_have_count(0)
    assert statuses() == ["pending"]


def test_shows_the_new_price_before_it_is_booked(visitor: Visitor) -> None:
    visitor.look_for()
    put_night("demo_double", night(30), price=13_000)

    visitor.hold_button().click()
    visitor.expect_text(
        "The price has changed since you opened the page, so we haven’t booked anything."
    )
    visitor.expect_text("EUR 250.00")
    assert stored() == []
    visitor.hold_button().click()

    visitor.expect_heading("Your room is held")
    visitor.expect_text("EUR 250.00")


def test_shows_where_the_hotel_has_moved_a_hold_before_it_is_booked(visitor: Visitor) -> None:
    visitor.hold()
    visitor.type_details(note="We arrive late.")
    put_night("demo_double", night(50), price=99_900)
    move_hold(50, 51)
    visitor.expect_complaint("409")

    visitor.confirm_button.click()
    visitor.expect_text("Your stay has changed since you opened this page")
    visitor.expect_text("price now EUR\xa0999.00 instead of EUR\xa0240.00")
    visitor.expect_details(note="We arrive late.")
    assert statuses() == ["pending"]
    visitor.confirm_button.click()

    visitor.expect_heading("Your room is booked")
    visitor.expect_text("EUR\xa0999.00")


def test_says_that_a_hold_is_not_longer_where_it_is_not(visitor: Visitor) -> None:
    visitor.hold()
    before = stored()
    hotels = connections.database()["hotels"]
    hotels.update_one({"_id": "demo"}, {"$set": {"hold_minutes": 5}})
    visitor.expect_complaint("409")
    try:
        for _ in range(2):
            visitor.press("Give me more time")
            visitor.expect_text("It’s too early to extend your hold")
    finally:
        hotels.update_one({"_id": "demo"}, {"$set": {"hold_minutes": 15}})

    visitor.expect_heading("Your room is held")
    assert stored() == before


def move_hold(first: int, end: int) -> None:
    (hold,) = stored()
    moved = lifecycle.move_booking(
        actor=Caller("user", "staff"),
        booking_id=str(hold["_id"]),
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=tuple(booked["room"] for booked in hold["rooms"]),
        check_in=date.fromisoformat(night(first)),
        check_out=date.fromisoformat(night(end)),
    )
    assert moved.code is None


@pytest.mark.slow
def test_says_which_holds_there_are_when_there_are_too_many(visitor: Visitor) -> None:
    for nights in range(1, 6):
        visitor.hold(nights=nights)
    visitor.look_for(nights=6)

    visitor.hold_button().click()

    visitor.expect_heading("My bookings")
    visitor.expect_text("You’ve reached the limit for holds.")
    expect(visitor.page.get_by_role("link", name="Continue booking")).to_have_count(5)
    assert statuses() == ["pending"] * 5


@pytest.mark.parametrize(
    ("name", "email", "sentence"),
    [
        ("", "ada@example.org", "Enter your name."),
        ("Ada", "not an address", "Enter an e-mail address such as name@example.org."),
    ],
)
def test_keeps_what_was_typed_beside_what_is_wrong_with_it(
    visitor: Visitor, name: str, email: str, sentence: str
) -> None:
    visitor.hold()
    visitor.type_details(name=name, email=email, note="A quiet room")
    visitor.expect_complaint("400")

    visitor.confirm_button.click()

    visitor.expect_text(sentence)
    visitor.expect_details(name=name, email=email, note="A quiet room")
    wrong = visitor.page.locator("[aria-invalid=true]")
    assert (
        wrong.evaluate(
            "field => document.getElementById(field.getAttribute('aria-describedby')).textContent"
        )
        == sentence
    )
    visitor.confirm()
    assert statuses() == ["confirmed"]


def test_keeps_what_was_typed_when_somebody_else_took_the_room(
    visitor: Visitor, site: Site
) -> None:
    visitor.hold("Single", **LAST_ROOM)
    let_hold_end()
    taken = site.book(
        userId="bob", resourceId="inn_S", checkIn=night(30), checkOut=night(32), guests=1
    )
    assert taken.status_code == 201
    visitor.type_details(note="A quiet room")
    visitor.expect_complaint("409")

    visitor.confirm_button.click()
    visitor.expect_text("Your hold has expired, and someone else may have booked the room.")
    visitor.expect_details(note="A quiet room")
    visitor.press("Hold it again")

    visitor.expect_text("Someone else has just taken the last one for these nights.")
    assert statuses() == ["expired", "confirmed"]

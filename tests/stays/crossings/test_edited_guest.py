"""Details of the guest that staff correct, while others change the booking."""

from __future__ import annotations

from typing import Any

import pytest

from bookings.domain.stay_request import Guest
from bookings.infrastructure.deadlines import Deadline
from bookings.stays import corrections
from bookings.stays.corrections import Details
from bookings.stays.outcomes import Outcome
from bookings.stays.writing import guest_details
from tests.calls import book, cancel
from tests.stays.crossings.race import Race, Side
from tests.stays.crossings.sides import ADA, STAFF, both_inside, move, new_key

pytestmark = pytest.mark.mongo

ADAS_DETAILS = {"name": "Ada", "email": "ada@example.org", "phone": ""}


def test_is_edited_by_two_clerks(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made = booked_by_ada()
        return lambda: edit(made, name="Anna"), lambda: edit(made, phone="+49 30 1")

    def loses_nothing(bookings: list[dict[str, Any]]) -> None:
        assert bookings[0]["guest"] in (
            {**ADAS_DETAILS, "name": "Anna"},
            {**ADAS_DETAILS, "phone": "+49 30 1"},
        )

    race.run(
        prepare,
        {
            ("ok", "NOT_CHANGEABLE", "A confirmed: created edited"),
            ("NOT_CHANGEABLE", "ok", "A confirmed: created edited"),
            # It looked before the other's change, and says so rather than that it knows.
            ("ok", "TRY_AGAIN", "A confirmed: created edited"),
            ("TRY_AGAIN", "ok", "A confirmed: created edited"),
        },
        check=loses_nothing,
    )


def test_is_edited_while_its_guest_corrects_it(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made = booked_by_ada()
        return lambda: edit(made, name="Anna"), lambda: correct(made)

    race.run(
        prepare,
        {
            ("ok", "NOT_CHANGEABLE", "A confirmed: created edited"),
            ("NOT_CHANGEABLE", "ok", "A confirmed: created corrected"),
            ("ok", "TRY_AGAIN", "A confirmed: created edited"),
            ("TRY_AGAIN", "ok", "A confirmed: created corrected"),
        },
    )


def test_is_edited_while_it_is_moved(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made = booked_by_ada()
        return lambda: edit(made, name="Anna"), lambda: move(made, "B")

    race.run(
        prepare,
        {
            ("ok", "ok", "B confirmed: created edited moved"),
            ("ok", "ok", "B confirmed: created moved edited"),
        },
    )


def test_is_edited_while_it_is_cancelled(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made = booked_by_ada()
        return lambda: edit(made, name="Anna"), lambda: cancel(made, actor=ADA)

    race.run(
        prepare,
        {
            ("ok", "ok", "A cancelled: created edited cancelled"),
            ("NOT_CHANGEABLE", "ok", "A cancelled: created cancelled"),
            ("TRY_AGAIN", "ok", "A cancelled: created cancelled"),
        },
    )


def test_is_edited_while_its_guest_is_erased(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made = booked_by_ada()
        return lambda: edit(made, name="Anna"), erase

    def is_erased(bookings: list[dict[str, Any]]) -> None:
        assert not any(bookings[0]["guest"].values())
        assert "search_terms" not in bookings[0]

    race.run(
        prepare,
        {
            ("ok", "erased", "A confirmed: created edited erased"),
            ("NOT_CHANGEABLE", "erased", "A confirmed: created erased"),
            ("TRY_AGAIN", "erased", "A confirmed: created erased"),
        },
        check=is_erased,
    )


def test_is_edited_once_by_one_key_when_redis_forgets(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, key = booked_by_ada(), new_key()
        return both_inside(
            lambda: edit(made, key=key, name="Anna"), lambda: edit(made, key=key, name="Anna")
        )

    once = "A confirmed: created edited"
    race.run(prepare, {("ok", "replay", once), ("replay", "ok", once)})


# --- The steps of the sides ---------------------------------------------------------------------


def booked_by_ada() -> Outcome:
    return book(new_key(), caller=ADA, guest=ADAS_DETAILS)


def edit(made: Outcome, *, key: str | None = None, **changed: str) -> Outcome:
    return corrections.correct_for_guest(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        key_header=key or new_key(),
        deadline=Deadline.after(10),
        seen=Details(Guest(**ADAS_DETAILS), "", "en"),
        details=Details(Guest(**{**ADAS_DETAILS, **changed}), "", "en"),
    )


def correct(made: Outcome) -> Outcome:
    return corrections.correct_guest(
        actor=ADA,
        booking_id=made.content["booking"]["id"],
        key_header=new_key(),
        deadline=Deadline.after(10),
        seen=(Guest(**ADAS_DETAILS), ""),
        guest=Guest(**{**ADAS_DETAILS, "name": "Ada L"}),
        notes="",
    )


def erase() -> str:
    guest_details.erase_guests({"guest.email": ADAS_DETAILS["email"]})
    return "erased"

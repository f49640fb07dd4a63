"""A hold that a guest makes, or makes again, while they log in."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bookings.domain.callers import Caller, caller_of_user
from bookings.infrastructure.deadlines import Deadline
from bookings.stays import create, own_bookings
from bookings.stays.hold_limits import HoldLimits
from bookings.stays.outcomes import Outcome
from bookings.stays.writing import ownership
from tests.calls import book
from tests.conftest import night
from tests.stays.crossings.ends import Answered, End
from tests.stays.crossings.race import Race, Side
from tests.stays.crossings.sides import ADA, GUEST, hold, log_in, new_account, new_key

pytestmark = pytest.mark.mongo

# While it changes hands, either of the two has it.
HELD_AGAIN_OR_NOT: set[End] = {
    (answer, "1 adopted", "A pending: created adopted") for answer in ("ok", "ALREADY_BOOKED")
}


@pytest.mark.parametrize("owner", [GUEST, ADA], ids=["as the guest", "with the guest's form"])
def test_is_held_again_by_its_guest_while_they_log_in(race: Race, owner: Caller) -> None:
    def prepare() -> tuple[Side, Side]:
        book(new_key(), caller=GUEST, hold=True)
        key = new_key()
        return lambda: hold_for(owner, key, caller=GUEST), log_in_ada

    race.run(prepare, HELD_AGAIN_OR_NOT)


def test_is_held_again_on_another_device_while_its_guest_logs_in(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        book(new_key(), caller=GUEST, hold=True)
        key = new_key()
        return lambda: hold_for(ADA, key, caller=ADA), log_in_ada

    race.run(prepare, HELD_AGAIN_OR_NOT)


def test_is_held_again_in_the_end_by_a_guest_who_logs_in_meanwhile(race: Race) -> None:
    """The refusal is not kept under the guest's key: it is the same person."""

    def prepare() -> tuple[Side, Side]:
        held = book(new_key(), caller=GUEST, hold=True)
        key = new_key()
        is_logged_in = threading.Event()

        def hold_again() -> Answered:
            answered = hold_for(GUEST, key, caller=GUEST)
            assert is_logged_in.wait(10)
            again = hold_for(ADA, key, caller=GUEST)
            assert again.content["booking"]["id"] == held.content["booking"]["id"]
            return answered

        def take_over() -> Answered:
            adopted = log_in_ada()
            is_logged_in.set()
            return adopted

        return hold_again, take_over

    race.run(prepare, HELD_AGAIN_OR_NOT)


def test_is_held_in_one_tab_while_its_guest_logs_in_in_another(race: Race) -> None:
    """Whichever is first, the person who logs in sees the hold, and it becomes theirs at once."""
    ada = new_account()

    def prepare() -> tuple[Side, Side]:
        return lambda: hold(caller=GUEST), lambda: log_in(ada)

    def goes_on_with_it(bookings: list[dict[str, Any]]) -> None:
        me = Caller("user", str(ada.pk), guest=str(GUEST))
        (held,) = (str(booking["_id"]) for booking in bookings)
        assert own_bookings.find_own_booking(viewer=me, booking_id=held).status == "pending"
        log_in(ada)
        assert own_bookings.find_own_booking(viewer=caller_of_user(ada.pk), booking_id=held)

    race.run(
        prepare,
        {
            ("ok", "0 adopted", "A pending: created"),
            ("ok", "1 adopted", "A pending: created adopted"),
        },
        check=goes_on_with_it,
    )


# --- The steps of the sides ---------------------------------------------------------------------


def hold_for(owner: Caller, key: str, *, caller: Caller) -> Outcome:
    return create.create_booking(
        caller=caller,
        owner=owner,
        key_header=key,
        read_payload=lambda: {"resourceId": "room_A", "date": night(30), "hold": True},
        deadline=Deadline.after(10),
    )


def log_in_ada() -> str:
    """Nothing of her account exists except the name."""
    adopted = ownership.adopt_bookings_of(
        str(GUEST), ADA, limits=HoldLimits(holds=5, room_nights=90)
    )
    return f"{adopted} adopted"

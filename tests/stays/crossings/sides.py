"""What a side of a race does, as a holder, staff, an account or the sweep."""

from __future__ import annotations

import threading
import uuid
from datetime import date
from typing import Any

from django.contrib.auth.models import User

from bookings import points
from bookings.domain.callers import Caller, caller_of_guest
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.people import adoption
from bookings.stays import lifecycle
from bookings.stays.outcomes import Outcome
from bookings.stays.writing import expiry
from tests.calls import book
from tests.conftest import night
from tests.stays.crossings.ends import Answered
from tests.stays.crossings.race import Side

STAFF = Caller("user", "staff")
GUEST, ADA = caller_of_guest("0123456789abcdef"), Caller("user", "ada")
RIVAL = Caller("client", "rival")


def new_key() -> str:
    return str(uuid.uuid4())


def hold(**fields: Any) -> Outcome:
    return book(new_key(), hold=True, **fields)


def hold_a_minute_ago() -> Outcome:
    """So that even a process whose clock is behind extends it."""
    held = hold()
    ends_at = {"$subtract": ["$expires_at", 60_000]}
    connections.collection("bookings").update_many({}, [{"$set": {"expires_at": ends_at}}])
    return held


def move(
    made: Outcome, room: str, *, hotel: str = "room", ahead: int = 30, actor: Caller = STAFF
) -> Outcome:
    return lifecycle.move_booking(
        actor=actor,
        booking_id=made.content["booking"]["id"],
        key_header=new_key(),
        deadline=Deadline.after(10),
        room_ids=(f"{hotel}_{room}",),
        check_in=date.fromisoformat(night(ahead)),
        check_out=date.fromisoformat(night(ahead + 1)),
    )


def sweep() -> str:
    batch = expiry.expire_dead_holds(limit=500)
    return f"{batch.expired} of {batch.found}"


def new_account() -> User:
    return User.objects.create_user(f"account-{new_key()}")


def delete(user: User) -> str:
    User.objects.get(pk=user.pk).delete()
    return "gone"


def log_in(user: User) -> str:
    return f"{adoption.adopt_guest(guest=GUEST, user=user)} adopted"


def both_inside(*sides: Side) -> tuple[Side, Side]:
    """Lets both sides have the claim of one key at the same time: Redis forgets the first."""
    one_by_one = threading.Lock()
    # Once both are inside there is nothing left to forget.
    both_have_it = threading.Barrier(2, action=lambda: points.install(None), timeout=10)

    def forget(point: str) -> None:
        if point == "after_claim":
            connections.redis().flushdb()
            one_by_one.release()
            both_have_it.wait()

    def enter(side: Side) -> Answered:
        one_by_one.acquire()
        return side()

    points.install(forget)
    first, second = sides
    return lambda: enter(first), lambda: enter(second)

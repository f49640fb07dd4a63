"""A stay that its owner changes, while others act on it or on its rooms."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bookings.domain.callers import Caller, caller_of_user
from bookings.infrastructure import connections
from bookings.models import Room, RoomCategory
from bookings.stays.outcomes import Outcome
from locks.connection import connect
from locks.redis_lock import RedisLocks
from tests.calls import PARTNER, book, cancel, change_stay, confirm, extend
from tests.conftest import night
from tests.stays.crossings.ends import NEW_PRICE, OLD_PRICE, at, names_no_account
from tests.stays.crossings.race import Race, Side
from tests.stays.crossings.sides import (
    ADA,
    RIVAL,
    both_inside,
    delete,
    move,
    new_account,
    new_key,
    sweep,
)

pytestmark = pytest.mark.mongo


@pytest.mark.usefixtures("inn")
def test_is_changed_while_staff_move_it(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made = in_the_inn("A")
        return lambda: longer(made), lambda: move(made, "B", hotel="inn")

    race.run(
        prepare,
        {
            # Staff said one night, in B; or its owner said two, wherever it is.
            ("ok", "ok", "B for 2 nights confirmed: created moved changed"),
            ("ok", "ok", "B confirmed: created changed moved"),
        },
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_while_it_is_confirmed(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = in_the_inn("A", hold=True)
        return lambda: longer(held), lambda: confirm(held, held.key)

    race.run(
        prepare,
        {
            ("ok", "ok", "A for 2 nights confirmed: created confirmed changed"),
            # Its owner has asked for the stay that is confirmed.
            ("ok", "ok", "A for 2 nights confirmed: created changed confirmed"),
        },
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_while_it_is_cancelled(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made = in_the_inn("A")
        return lambda: longer(made), lambda: cancel(made)

    race.run(
        prepare,
        {
            ("ok", "ok", "A for 2 nights cancelled: created changed cancelled"),
            ("NOT_CHANGEABLE", "ok", "A cancelled: created cancelled"),
        },
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_while_it_is_extended(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = in_the_inn("A", hold=True)
        ends_at = {"$subtract": ["$expires_at", 60_000]}
        connections.collection("bookings").update_many({}, [{"$set": {"expires_at": ends_at}}])
        return lambda: longer(held), lambda: extend(held, new_key())

    race.run(
        prepare,
        {
            ("ok", "ok", "A for 2 nights pending: created changed extended"),
            ("ok", "ok", "A for 2 nights pending: created extended changed"),
        },
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_while_it_is_swept(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = in_the_inn("A", hold=True)
        return lambda: longer(held), sweep

    changed = {("ok", "0 of 0", "A for 2 nights pending: created changed")}
    # Found dead a moment before the change moved its version; it is swept by the next run.
    changed_first = {
        ("ok", "0 of 1", "A for 2 nights pending: created changed"),
        ("ok", "1 of 1", "A for 2 nights expired: created changed expired"),
    }
    # By a process whose clock is ahead; and by one whose clock is behind, which asks in vain.
    refused = {
        (refusal, swept, "A pending: created")
        for refusal in ("NOT_CHANGEABLE", "TRY_AGAIN")
        for swept in ("0 of 0",)
    }
    dead = {
        (refusal, "1 of 1", "A expired: created expired")
        for refusal in ("NOT_CHANGEABLE", "TRY_AGAIN")
    }

    race.run(
        prepare,
        at("before", changed | refused)
        | at("across", changed | changed_first | refused | dead)
        | at("after", dead),
        moment=timedelta(0),
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_while_the_price_rises(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        put_price("inn_double", OLD_PRICE)
        made = in_the_inn("A")
        return lambda: longer(made), lambda: put_price("inn_double", NEW_PRICE)

    race.run(
        prepare,
        {
            ("ok", "600.00", "A for 2 nights confirmed: created changed"),
            ("PRICE_CHANGED", "600.00", "A confirmed: created"),
        },
        check=lambda bookings: costs_what_was_quoted(bookings, 2 * OLD_PRICE),
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_while_its_room_goes_off_sale(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        take_off_sale("inn_A", is_sold=True)
        made = in_the_inn("A")
        return lambda: longer(made), lambda: take_off_sale("inn_A")

    race.run(
        prepare,
        {
            # The room cannot be deleted for two minutes, so a request that saw it may have it.
            ("ok", "off sale", "A for 2 nights confirmed: created changed"),
            ("ok", "off sale", "B for 2 nights confirmed: created changed"),
        },
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_while_a_rival_books_the_new_night(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, key = in_the_inn("S"), new_key()
        return lambda: longer(made), lambda: book(
            key, caller=RIVAL, resourceId="inn_S", date=night(31)
        )

    race.run(
        prepare,
        {
            ("ok", "ALREADY_BOOKED", "S for 2 nights confirmed: created changed"),
            ("ok", "RESOURCE_LOCKED", "S for 2 nights confirmed: created changed"),
            ("SOLD_OUT", "ok", "S confirmed: created", "S confirmed: created"),
            ("RESOURCE_LOCKED", "ok", "S confirmed: created", "S confirmed: created"),
        },
    )


@pytest.mark.usefixtures("inn", "no_locks")
def test_is_changed_while_a_rival_books_the_new_night_without_locks(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, key = in_the_inn("S"), new_key()
        return lambda: longer(made), lambda: book(
            key, caller=RIVAL, resourceId="inn_S", date=night(31)
        )

    race.run(
        prepare,
        {
            ("ok", "ALREADY_BOOKED", "S for 2 nights confirmed: created changed"),
            ("SOLD_OUT", "ok", "S confirmed: created", "S confirmed: created"),
        },
    )


@pytest.mark.usefixtures("inn")
def test_gives_its_old_night_to_a_rival_only_with_the_change(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, key = in_the_inn("S"), new_key()
        return lambda: change(made, first=40, last=41), lambda: book(
            key, caller=RIVAL, resourceId="inn_S"
        )

    race.run(
        prepare,
        {
            ("ok", "ok", "S confirmed: created", "S confirmed: created changed"),
            ("ok", "ALREADY_BOOKED", "S confirmed: created changed"),
        },
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_by_two_keys_one_after_the_other(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made = in_the_inn("A")
        return lambda: change(made, first=30, last=32), lambda: change(made, first=30, last=33)

    race.run(
        prepare,
        {
            ("ok", "ok", "A for 3 nights confirmed: created changed changed"),
            ("ok", "ok", "A for 2 nights confirmed: created changed changed"),
            # The other one has the lock on the night that both want, or has just let go of it. Its
            # room is passed over, as a rival's would be, and its booking is decided on again.
            ("ok", "ok", "B for 3 nights confirmed: created changed changed"),
            ("ok", "ok", "B for 2 nights confirmed: created changed changed"),
        },
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_once_by_one_key(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, key = in_the_inn("A"), new_key()
        return lambda: longer(made, key), lambda: longer(made, key)

    race.run(
        prepare,
        {
            (*answers, "A for 2 nights confirmed: created changed")
            for answers in (
                ("ok", "replay"),
                ("replay", "ok"),
                ("ok", "IDEMPOTENCY_IN_PROGRESS"),
                ("IDEMPOTENCY_IN_PROGRESS", "ok"),
            )
        },
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_once_by_one_key_when_redis_forgets(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, key = in_the_inn("A"), new_key()
        return both_inside(lambda: longer(made, key), lambda: longer(made, key))

    race.run(
        prepare,
        {
            (*answers, f"{room} for 2 nights confirmed: created changed")
            for room in "AB"
            for answers in (("ok", "replay"), ("replay", "ok"))
        },
    )


@pytest.mark.usefixtures("inn", "no_locks")
def test_gives_the_last_room_to_one_of_two_that_change(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        one, other = in_the_inn("S"), in_the_inn("S", date=night(50))
        return lambda: change(one, first=40, last=41), lambda: change(other, first=40, last=41)

    race.run(
        prepare,
        {
            ("ok", "SOLD_OUT", "S confirmed: created", "S confirmed: created changed"),
            ("SOLD_OUT", "ok", "S confirmed: created", "S confirmed: created changed"),
        },
    )


@pytest.mark.usefixtures("inn")
def test_lets_two_holds_grow_to_what_their_holder_may_hold(race: Race, settings: Any) -> None:
    settings.MAX_HELD_ROOM_NIGHTS = 3

    def prepare() -> tuple[Side, Side]:
        one = in_the_inn("A", hold=True, caller=ADA)
        other = in_the_inn("B", hold=True, caller=ADA)
        return lambda: longer(one, actor=ADA), lambda: longer(other, actor=ADA)

    race.run(
        prepare,
        {
            (
                *("ok", "TOO_MANY_NIGHTS_HELD"),
                *("A for 2 nights pending: created changed", "B pending: created"),
            ),
            (
                *("TOO_MANY_NIGHTS_HELD", "ok"),
                *("A pending: created", "B for 2 nights pending: created changed"),
            ),
        },
    )


@pytest.mark.usefixtures("inn")
def test_is_changed_while_the_account_is_deleted(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        user = new_account()
        caller = caller_of_user(user.pk)
        made = in_the_inn("A", caller=caller)
        return lambda: longer(made, actor=caller), lambda: delete(user)

    race.run(
        prepare,
        {
            ("ok", "gone", "A for 2 nights confirmed: created changed"),
            ("NOT_AUTHENTICATED", "gone", "A confirmed: created"),
            # Its owner was gone when it looked.
            ("NOT_FOUND", "gone", "A confirmed: created"),
        },
        check=names_no_account,
    )


# --- The steps of the sides ---------------------------------------------------------------------


def in_the_inn(room: str, *, caller: Caller = PARTNER, **fields: Any) -> Outcome:
    """One night in a room of the inn."""
    return book(new_key(), caller=caller, resourceId=f"inn_{room}", **fields)


def change(
    made: Outcome, *, first: int, last: int, key: str | None = None, actor: Caller = PARTNER
) -> Outcome:
    """To these nights, counted in days from today, at the price that the room had at first."""
    price = made.content["booking"]["price"]["total"]
    return change_stay(
        made, key or new_key(), first=first, last=last, total=price * (last - first), actor=actor
    )


def longer(made: Outcome, key: str | None = None, *, actor: Caller = PARTNER) -> Outcome:
    return change(made, first=30, last=32, key=key, actor=actor)


def put_price(category: str, price: int) -> str:
    RoomCategory.objects.filter(id=category).update(default_price=price)
    return f"{price / 100:.2f}"


def take_off_sale(room: str, *, is_sold: bool = False) -> str:
    Room.objects.filter(id=room).update(is_sold=is_sold)
    return "off sale"


def costs_what_was_quoted(bookings: list[dict[str, Any]], total: int) -> None:
    for booking in bookings:
        if booking["history"][-1]["event"] == "changed":
            assert booking["price"]["total"] == total


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server listens where the locks should be, so only the index decides."""
    client = connect("redis://127.0.0.1:1/0")
    monkeypatch.setattr(connections, "locks", lambda: RedisLocks(client))

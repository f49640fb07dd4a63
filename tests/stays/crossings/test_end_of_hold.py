"""A hold, and the moment when it ends or can no longer be confirmed late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bookings.domain.booking import LATE_CONFIRM
from tests.calls import book, cancel, confirm, extend, let_hold_end
from tests.stays.crossings.ends import at
from tests.stays.crossings.race import Race, Side
from tests.stays.crossings.sides import RIVAL, hold, new_key, sweep

pytestmark = pytest.mark.mongo


def test_confirms_while_it_is_swept(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = hold()
        return lambda: confirm(held, held.key), sweep

    # A dead hold may be confirmed late, so it is always confirmed; only its history differs.
    confirmed = {("ok", "0 of 0", "A confirmed: created confirmed")}
    in_between = {("ok", "0 of 1", "A confirmed: created confirmed")}
    revived = {("ok", "1 of 1", "A confirmed: created expired confirmed")}

    race.run(
        prepare,
        at("before", confirmed) | at("across after", confirmed | in_between | revived),
        moment=timedelta(0),
    )


def test_confirms_late_while_it_is_swept(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = hold()
        return lambda: confirm(held, held.key), sweep

    confirmed = {
        ("ok", "0 of 0", "A confirmed: created confirmed"),
        ("ok", "0 of 1", "A confirmed: created confirmed"),
        ("ok", "1 of 1", "A confirmed: created expired confirmed"),
    }
    # Also slightly too early, by a process whose clock is ahead.
    refused = {("HOLD_EXPIRED", "1 of 1", "A expired: created expired")}
    # A process whose clock is behind asks MongoDB in vain, and says that it does not know. If the
    # clock is ahead, it says so when the sweep comes between its look and its refusal.
    unsure = {("TRY_AGAIN", "1 of 1", "A expired: created expired")}

    race.run(
        prepare,
        at("before", confirmed | refused | unsure)
        | at("across", confirmed | refused | unsure)
        | at("after", refused | unsure),
        moment=LATE_CONFIRM,
    )


def test_extends_while_it_is_swept(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = hold()
        return lambda: extend(held, new_key()), sweep

    extended = {("ok", "0 of 0", "A pending: created extended")}
    # By a process whose clock is ahead.
    refused = {("HOLD_EXPIRED", "0 of 0", "A pending: created")}
    dead = {
        (refusal, "1 of 1", "A expired: created expired")
        for refusal in ("HOLD_EXPIRED", "TRY_AGAIN")
    }
    # The sweep came just before the end, and the other just after it, with a clock that is behind.
    unsure = {("TRY_AGAIN", "0 of 0", "A pending: created")}

    race.run(
        prepare,
        at("before", extended | refused)
        | at("across", extended | refused | dead | unsure)
        | at("after", dead),
        moment=timedelta(0),
    )


def test_is_confirmed_late_while_a_rival_books_its_room(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = hold()
        key = new_key()
        return lambda: confirm(held, held.key), lambda: book(key, caller=RIVAL)

    kept = {("ok", "ALREADY_BOOKED", "A confirmed: created confirmed")}
    # The rival's clock is ahead: it takes the hold for dead, and MongoDB says that it is not.
    kept_in_time = {("ok", "RESOURCE_LOCKED", "A confirmed: created confirmed")}
    lost = {("HOLD_EXPIRED", "ok", "A confirmed: created", "A expired: created expired")}

    race.run(
        prepare,
        at("before", kept | kept_in_time)
        | at("across", kept | kept_in_time | lost)
        | at("after", kept | lost),
        moment=timedelta(0),
    )


def test_is_confirmed_late_while_it_is_cancelled(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = hold()
        return lambda: confirm(held, held.key), lambda: cancel(held)

    race.run(
        prepare,
        at(
            "before across after",
            {
                ("ok", "NOT_CANCELLABLE", "A confirmed: created confirmed"),
                # It looked before the confirmation and was refused after it; again, it cancels.
                ("ok", "TRY_AGAIN", "A confirmed: created confirmed"),
                ("ok", "ok", "A cancelled: created confirmed cancelled"),
                ("HOLD_EXPIRED", "ok", "A cancelled: created cancelled"),
            },
        ),
        moment=timedelta(0),
    )


def test_is_swept_by_two(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        hold()
        let_hold_end()
        return sweep, sweep

    race.run(
        prepare,
        {
            ("1 of 1", "0 of 0", "A expired: created expired"),
            ("1 of 1", "0 of 1", "A expired: created expired"),
            ("0 of 0", "1 of 1", "A expired: created expired"),
            ("0 of 1", "1 of 1", "A expired: created expired"),
        },
    )

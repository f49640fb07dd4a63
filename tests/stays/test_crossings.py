"""Two changes that meet: each race has a table of its legal ends, and any other end fails.

An end is the answer that each side got, and every booking with its room, status and history. If a
moment matters (a hold runs out, or can no longer be confirmed late), it is put into, or near, the
round. Then the end begins with the round's place by MongoDB's own clock: `before` the moment,
`after` it, or `across`.

The two sides stand for two processes, so the clock of each is slightly wrong. With -s each test
prints how often each end came.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from bookings import points
from bookings.domain.booking import LATE_CONFIRM
from bookings.domain.callers import Caller, caller_of_guest, caller_of_user
from bookings.domain.stay_request import Guest
from bookings.front_desk import blocks
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Room, RoomCategory
from bookings.people import adoption
from bookings.refusals import Refusal
from bookings.stays import corrections, create, lifecycle, own_bookings
from bookings.stays.corrections import Details
from bookings.stays.hold_limits import HoldLimits
from bookings.stays.outcomes import Outcome
from bookings.stays.writing import expiry, guest_details, ownership
from locks.connection import connect
from locks.redis_lock import RedisLocks
from tests.calls import (
    PARTNER,
    book,
    cancel,
    change_stay,
    check_fields_agree,
    confirm,
    extend,
    let_hold_end,
    stored,
)
from tests.conftest import night

pytestmark = pytest.mark.mongo

Answered = Outcome | str
Side = Callable[[], Answered]
Prepare = Callable[[], tuple[Side, Side]]
End = tuple[str, ...]
Check = Callable[[list[dict[str, Any]]], None]

STAFF = Caller("user", "staff")
RIVAL = Caller("client", "rival")
GUEST, ADA = caller_of_guest("0123456789abcdef"), Caller("user", "ada")
ADAS_DETAILS = {"name": "Ada", "email": "ada@example.org", "phone": ""}

# In an everyday run; ROUNDS=100 makes a thousand of them.
BASE_ROUNDS = 10

# One side starts up to this much later than the other: a part of the time of a change, and more.
LATEST_STARTS_S = (0.0, 0.005, 0.04)

# No two processes agree on the time. Writes must be right by MongoDB's clock alone.
CLOCKS_OFF_MS = (-50, 0, 50)

# Of one night in room_A, while it is held and afterwards.
OLD_PRICE, NEW_PRICE = 10_000, 60_000

# While it changes hands, either of the two has it.
HELD_AGAIN_OR_NOT: set[End] = {
    (answer, "1 adopted", "A pending: created adopted") for answer in ("ok", "ALREADY_BOOKED")
}

# How far from the beginning of a round the relevant moment is.
MOMENT_MS = (-20, 60)


class Race:
    """Runs a race for some rounds and judges the end of each."""

    def __init__(self, name: str, rounds: int) -> None:
        self._name = name
        self._rounds = rounds
        self._start = threading.Barrier(2)
        self._pool = ThreadPoolExecutor(2)
        self._clock_is_off = threading.local()

    def run(
        self,
        prepare: Prepare,
        legal: set[End],
        *,
        moment: timedelta | None = None,
        check: Check | None = None,
    ) -> None:
        """`moment` says how long after the end of every hold the relevant moment is. `check` looks
        at the bookings of each end."""
        ends: Counter[End] = Counter()
        for _ in range(self._rounds):
            for name in ("bookings", "holders"):
                connections.database()[name].delete_many({})
            sides = prepare()
            matters_at = put_holds_near(moment) if moment is not None else None
            begun_at = mongodb_now()

            answered = list(self._pool.map(self._run_side, sides))

            done_at = mongodb_now()
            bookings = stored()
            check_slots(bookings)
            check_successes(answered, bookings)
            if check:
                check(bookings)
            end: End = (*map(say, answered), *sorted(map(describe, bookings)))
            if matters_at:
                end = (where(matters_at, begun_at, done_at), *end)
            assert end in legal, f"{self._name} came to an end that is not legal: {end}"
            ends[end] += 1
        print(f"\n{self._name}, {self._rounds} rounds:")  # noqa: T201
        for end, times in sorted(ends.items()):
            print(f"{times:6} x {' | '.join(end)}")  # noqa: T201

    def _run_side(self, side: Side) -> Answered:
        self._clock_is_off.by = timedelta(milliseconds=random.choice(CLOCKS_OFF_MS))
        late_s = random.uniform(0, random.choice(LATEST_STARTS_S))
        self._start.wait()
        time.sleep(late_s)
        try:
            return side()
        except Refusal as refusal:  # a refusal before anything is claimed is raised
            return refusal.code

    def put_clock(self, right: datetime) -> datetime:
        return right + getattr(self._clock_is_off, "by", timedelta(0))

    def stop(self) -> None:
        self._pool.shutdown()


@pytest.fixture
def race(
    rounds: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Race]:
    name = request.node.name.removeprefix("test_").replace("_", " ")
    race = Race(name, BASE_ROUNDS * rounds)
    right = clock.now
    monkeypatch.setattr(clock, "now", lambda: race.put_clock(right()))
    yield race
    race.stop()


# --- A hold, and the moment when it ends ---------------------------------------------------


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


# --- A live hold ---------------------------------------------------------------------------


def test_is_confirmed_while_it_is_cancelled(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = hold()
        return lambda: confirm(held, held.key), lambda: cancel(held)

    race.run(
        prepare,
        {
            ("ok", "ok", "A cancelled: created confirmed cancelled"),
            ("HOLD_EXPIRED", "ok", "A cancelled: created cancelled"),
        },
    )


def test_is_confirmed_while_it_is_moved(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = hold()
        return lambda: confirm(held, held.key), lambda: move(held, "A", ahead=50)

    race.run(
        prepare,
        {
            ("ok", "ok", "A confirmed: created confirmed moved"),
            # Its holder has never seen its present stay.
            ("PRICE_CHANGED", "ok", "A pending: created moved"),
        },
    )


def test_is_confirmed_while_it_is_extended(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = hold_a_minute_ago()
        return lambda: confirm(held, held.key), lambda: extend(held, new_key())

    race.run(
        prepare,
        {
            ("ok", "ok", "A confirmed: created extended confirmed"),
            ("ok", "EXTENSION_LIMIT", "A confirmed: created confirmed"),
        },
    )


def test_is_confirmed_twice_with_its_key(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = hold()
        return lambda: confirm(held, held.key), lambda: confirm(held, held.key)

    race.run(
        prepare,
        {
            (*answers, "A confirmed: created confirmed")
            for answers in (
                ("ok", "replay"),
                ("replay", "ok"),
                ("ok", "IDEMPOTENCY_IN_PROGRESS"),
                ("IDEMPOTENCY_IN_PROGRESS", "ok"),
            )
        },
    )


def test_is_confirmed_once_with_its_key_when_redis_forgets(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held = hold()
        return both_inside(lambda: confirm(held, held.key), lambda: confirm(held, held.key))

    race.run(
        prepare,
        {
            ("ok", "replay", "A confirmed: created confirmed"),
            ("replay", "ok", "A confirmed: created confirmed"),
        },
    )


def test_is_extended_once_with_one_key_when_redis_forgets(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held, key = hold_a_minute_ago(), new_key()
        return both_inside(lambda: extend(held, key), lambda: extend(held, key))

    race.run(
        prepare,
        {
            ("ok", "replay", "A pending: created extended"),
            ("replay", "ok", "A pending: created extended"),
        },
    )


@pytest.mark.parametrize("limit", [1, 3])
def test_is_one_of_no_more_than_its_holder_may_have(race: Race, settings: Any, limit: int) -> None:
    settings.MAX_LIVE_HOLDS = limit

    def prepare() -> tuple[Side, Side]:
        # With a limit of one there is not yet a document that both could write.
        for ahead in range(1, limit):
            hold(date=night(30 + ahead))
        return lambda: hold(), lambda: hold(resourceId="room_B")

    before = ("A pending: created",) * (limit - 1)

    race.run(
        prepare,
        {
            ("ok", "TOO_MANY_HOLDS", "A pending: created", *before),
            ("TOO_MANY_HOLDS", "ok", *before, "B pending: created"),
        },
    )


# --- A hold that its holder holds again, for two instead of one ----------------------------


def test_is_held_again_while_it_is_confirmed(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held, key = hold(), new_key()
        return lambda: book(key, hold=True, guests=2), lambda: confirm(held, held.key)

    race.run(
        prepare,
        {
            ("ok", "ok", "A for 2 confirmed: created confirmed"),
            ("ALREADY_BOOKED", "ok", "A confirmed: created confirmed"),
        },
    )


def test_is_held_again_while_it_is_extended(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held, key, more = hold_a_minute_ago(), new_key(), new_key()
        return lambda: book(key, hold=True, guests=2), lambda: extend(held, more)

    race.run(
        prepare,
        {
            ("ok", "ok", "A for 2 pending: created extended"),
        },
    )


def test_is_held_again_while_it_is_cancelled(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held, key = hold(), new_key()
        return lambda: book(key, hold=True, guests=2), lambda: cancel(held)

    race.run(
        prepare,
        {
            ("ok", "ok", "A for 2 cancelled: created cancelled"),
            ("ok", "ok", "A cancelled: created cancelled", "A for 2 pending: created"),
        },
    )


def test_is_held_again_while_it_is_moved(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        held, key = hold(), new_key()
        return lambda: book(key, hold=True, guests=2), lambda: move(held, "B")

    race.run(
        prepare,
        {
            ("ok", "ok", "B for 2 pending: created moved"),
            ("ok", "ok", "A for 2 pending: created", "B pending: created moved"),
        },
    )


# --- A hold that its holder holds again, while prices or rooms have changed -----------------


def test_is_held_again_at_its_old_price_while_it_ends(race: Race, prices: Prices) -> None:
    prepare = again_at_the_old_price(prices, lambda held: sweep)

    # The sweep has not read the hold that takes in a key.
    came_back = {("ok", f"0 of {found}", "A pending: created") for found in (0, 1)}
    swept_after = {("ok", "1 of 1", "A expired: created expired")}
    over = {("PRICE_CHANGED", "1 of 1", "A expired: created expired")}
    # By a process whose clock is ahead, which takes the hold for dead.
    too_early = {("PRICE_CHANGED", "0 of 0", "A pending: created")}

    race.run(
        prepare,
        at("before", came_back | too_early)
        | at("across", came_back | too_early | swept_after | over)
        # And by one whose clock is behind.
        | at("after", over | came_back | swept_after),
        moment=timedelta(0),
    )


def test_is_held_again_at_its_old_price_while_it_is_cancelled(race: Race, prices: Prices) -> None:
    prepare = again_at_the_old_price(prices, lambda held: lambda: cancel(held))

    race.run(
        prepare,
        {
            ("ok", "ok", "A cancelled: created cancelled"),
            ("PRICE_CHANGED", "ok", "A cancelled: created cancelled"),
        },
    )


def test_is_held_again_at_its_old_price_while_it_is_moved(race: Race, prices: Prices) -> None:
    prepare = again_at_the_old_price(prices, lambda held: lambda: move(held, "B"))

    race.run(
        prepare,
        {
            ("ok", "ok", "B pending: created moved"),
            ("PRICE_CHANGED", "ok", "B pending: created moved"),
        },
    )


def test_is_held_again_while_its_price_changes(race: Race, prices: Prices) -> None:
    def prepare() -> tuple[Side, Side]:
        prices.put(OLD_PRICE)
        hold()
        key = new_key()
        return lambda: book(key, hold=True, quotedTotal=OLD_PRICE), lambda: prices.put(NEW_PRICE)

    race.run(prepare, {("ok", "600.00", "A pending: created")})


def test_is_held_again_at_any_price_while_that_changes_and_it_is_cancelled(
    race: Race, prices: Prices
) -> None:
    def prepare() -> tuple[Side, Side]:
        prices.put(NEW_PRICE)
        held, key = hold(), new_key()

        def change() -> Answered:
            cancel(held)
            return prices.put(OLD_PRICE)

        return lambda: book(key, hold=True), change

    cancelled = "A cancelled at 600.00: created cancelled"
    race.run(
        prepare,
        {
            ("ok", "100.00", cancelled),
            ("ok", "100.00", cancelled, "A pending at 600.00: created"),
            ("ok", "100.00", cancelled, "A pending: created"),
        },
    )


def test_is_held_again_off_sale_while_it_is_cancelled(race: Race, inn: None) -> None:
    def prepare() -> tuple[Side, Side]:
        put_on_sale("inn_A", True)
        held, key = hold(resourceId="inn_A"), new_key()
        put_on_sale("inn_A", False)
        return lambda: book(key, resourceId="inn_A", hold=True), lambda: cancel(held)

    race.run(
        prepare,
        {
            ("ok", "ok", "A cancelled: created cancelled"),
            ("VALIDATION_ERROR", "ok", "A cancelled: created cancelled"),
        },
    )


def test_is_held_again_as_the_last_of_its_kind_while_it_ends_off_sale(
    race: Race, inn: None
) -> None:
    def prepare() -> tuple[Side, Side]:
        put_on_sale("inn_A", True)
        for room in "BC":
            book(new_key(), resourceId=f"inn_{room}", caller=RIVAL)
        hold(resourceId="inn_A")
        put_on_sale("inn_A", False)
        key = new_key()
        return lambda: book(key, categoryId="inn_double", hold=True), sweep

    others = ("B confirmed: created", "C confirmed: created")
    came_back = {("ok", f"0 of {found}", "A pending: created", *others) for found in (0, 1)}
    swept_after = {("ok", "1 of 1", "A expired: created expired", *others)}
    over = {("SOLD_OUT", "1 of 1", "A expired: created expired", *others)}
    # By a process whose clock is ahead.
    too_early = {("SOLD_OUT", "0 of 0", "A pending: created", *others)}

    race.run(
        prepare,
        at("before", came_back | too_early)
        | at("across", came_back | too_early | swept_after | over)
        | at("after", over | came_back | swept_after),
        moment=timedelta(0),
    )


def test_is_booked_again_without_a_key_while_it_is_cancelled_in_another_category(
    race: Race, inn: None
) -> None:
    def prepare() -> tuple[Side, Side]:
        # A refusal is kept for this wish, so each round is for another guest.
        wish = {"categoryId": "inn_double", "userId": new_key()}
        made = book(None, **wish)
        move(made, "S", hotel="inn")
        for room in "ABC":
            book(new_key(), resourceId=f"inn_{room}", caller=RIVAL)
        return lambda: book(None, **wish), lambda: cancel(made)

    doubles = tuple(f"{room} confirmed: created" for room in "ABC")
    race.run(
        prepare,
        {
            ("replay", "ok", *doubles, "S cancelled: created moved cancelled"),
            ("SOLD_OUT", "ok", *doubles, "S cancelled: created moved cancelled"),
        },
    )


# --- A hold of a guest who logs in ----------------------------------------------------------


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


# --- Bookings that want one room -----------------------------------------------------------


def test_moves_onto_a_room_while_it_is_booked(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, key = book(new_key()), new_key()
        return lambda: move(made, "B"), lambda: book(key, caller=RIVAL, resourceId="room_B")

    race.run(
        prepare,
        {
            ("ok", "ALREADY_BOOKED", "B confirmed: created moved"),
            ("ALREADY_BOOKED", "ok", "A confirmed: created", "B confirmed: created"),
        },
    )


def test_moves_away_while_its_room_is_booked(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, key = book(new_key()), new_key()
        return lambda: move(made, "B"), lambda: book(key, caller=RIVAL)

    race.run(
        prepare,
        {
            ("ok", "ok", "A confirmed: created", "B confirmed: created moved"),
            ("ok", "ALREADY_BOOKED", "B confirmed: created moved"),
        },
    )


def test_moves_two_bookings_into_one_room(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        one, other = book(new_key()), book(new_key(), resourceId="room_B")
        return lambda: move(one, "C"), lambda: move(other, "C")

    race.run(
        prepare,
        {
            ("ok", "ALREADY_BOOKED", "B confirmed: created", "C confirmed: created moved"),
            ("ALREADY_BOOKED", "ok", "A confirmed: created", "C confirmed: created moved"),
        },
    )


def test_does_not_swap_two_bookings_by_two_moves(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        one, other = book(new_key()), book(new_key(), resourceId="room_B")
        return lambda: move(one, "B"), lambda: move(other, "A")

    # Neither can go first: one after the other, both are refused, and so they are together.
    race.run(
        prepare,
        {("ALREADY_BOOKED", "ALREADY_BOOKED", "A confirmed: created", "B confirmed: created")},
    )


def test_moves_into_a_room_that_is_being_left(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        one, other = book(new_key()), book(new_key(), resourceId="room_B")
        return lambda: move(one, "B"), lambda: move(other, "C")

    race.run(
        prepare,
        {
            ("ok", "ok", "B confirmed: created moved", "C confirmed: created moved"),
            ("ALREADY_BOOKED", "ok", "A confirmed: created", "C confirmed: created moved"),
        },
    )


def test_blocks_a_room_while_it_is_booked(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        key = new_key()
        return lambda: block("A"), lambda: book(key, caller=RIVAL)

    race.run(
        prepare,
        {
            ("ok", "ALREADY_BOOKED", "A confirmed: blocked"),
            ("ALREADY_BOOKED", "ok", "A confirmed: created"),
        },
    )


# --- An account that is deleted ------------------------------------------------------------


def test_books_while_the_account_is_deleted(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        ada, key = new_account(), new_key()
        return lambda: book(key, caller=caller_of_user(ada.pk)), lambda: delete(ada)

    race.run(
        prepare,
        {("ok", "gone", "A confirmed: created"), ("NOT_AUTHENTICATED", "gone")},
        check=names_no_account,
    )


def test_is_confirmed_while_the_account_is_deleted(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        ada = new_account()
        caller = caller_of_user(ada.pk)
        held = hold(caller=caller)
        return lambda: confirm(held, held.key, actor=caller), lambda: delete(ada)

    race.run(
        prepare,
        {
            ("ok", "gone", "A confirmed: created confirmed"),
            ("NOT_AUTHENTICATED", "gone", "A pending: created"),
            # It came when the hold already had another owner.
            ("NOT_FOUND", "gone", "A pending: created"),
        },
        check=names_no_account,
    )


def test_is_moved_while_the_account_of_staff_is_deleted(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, desk = book(new_key()), new_account()
        return lambda: move(made, "B", actor=caller_of_user(desk.pk)), lambda: delete(desk)

    race.run(
        prepare,
        {
            ("ok", "gone", "B confirmed: created moved"),
            ("NOT_AUTHENTICATED", "gone", "A confirmed: created"),
        },
        check=names_no_account,
    )


def test_books_as_a_guest_who_logs_in_while_the_account_is_deleted(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        ada = new_account()
        book(new_key(), caller=GUEST)
        return lambda: log_in(ada), lambda: delete(ada)

    race.run(
        prepare,
        {
            ("1 adopted", "gone", "A confirmed: created adopted"),
            ("NOT_AUTHENTICATED", "gone", "A confirmed: created"),
        },
        check=names_no_account,
    )


# --- A guest who logs in -------------------------------------------------------------------


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


# --- A stay that its owner changes ---------------------------------------------------------


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


# --- Details that staff correct ------------------------------------------------------------


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


# --- The steps of the sides ----------------------------------------------------------------


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


def again_at_the_old_price(prices: Prices, other_side: Callable[[Outcome], Side]) -> Prepare:
    """The price has risen since the hold was made; its holder quotes the one that they know."""

    def prepare() -> tuple[Side, Side]:
        prices.put(OLD_PRICE)
        held, key = hold(), new_key()
        prices.put(NEW_PRICE)
        return lambda: book(key, hold=True, quotedTotal=OLD_PRICE), other_side(held)

    return prepare


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


def put_on_sale(room: str, is_sold: bool) -> None:
    connections.database()["rooms"].update_one({"_id": room}, {"$set": {"is_sold": is_sold}})


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


class Prices:
    """The prices of the demo's rooms."""

    def put(self, price: int) -> str:
        RoomCategory.objects.filter(id="demo_double").update(default_price=price)
        return f"{price / 100:.2f}"


@pytest.fixture
def prices(database: None) -> Iterator[Prices]:
    before = RoomCategory.objects.get(id="demo_double").default_price
    yield Prices()
    Prices().put(before)


def new_account() -> User:
    return User.objects.create_user(f"account-{new_key()}")


def delete(user: User) -> str:
    User.objects.get(pk=user.pk).delete()
    return "gone"


def log_in(user: User) -> str:
    return f"{adoption.adopt_guest(guest=GUEST, user=user)} adopted"


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


def block(room: str) -> Outcome:
    return blocks.block_rooms(
        actor=STAFF,
        room_ids=(f"room_{room}",),
        first=date.fromisoformat(night(29)),
        end=date.fromisoformat(night(32)),
        reason="New carpet",
        key_header=new_key(),
        deadline=Deadline.after(10),
    )


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


def sweep() -> str:
    batch = expiry.expire_dead_holds(limit=500)
    return f"{batch.expired} of {batch.found}"


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


@pytest.fixture(autouse=True)
def _uninstall() -> Iterator[None]:
    yield
    points.install(None)


# --- How an end is judged ------------------------------------------------------------------


def at(places: str, ends: set[End]) -> set[End]:
    """The ends, each at all of these places relative to the relevant moment."""
    return {(place, *end) for place in places.split() for end in ends}


def put_holds_near(moment: timedelta) -> datetime:
    """Gives every hold an end such that the relevant moment is about now."""
    matters_at = mongodb_now() + timedelta(milliseconds=random.randint(*MOMENT_MS))
    connections.collection("bookings").update_many(
        {"status": "pending"}, {"$set": {"expires_at": matters_at - moment}}
    )
    return matters_at


def mongodb_now() -> datetime:
    local_time: datetime = connections.database().client.admin.command("hello")["localTime"]
    return local_time.replace(tzinfo=UTC)


def where(matters_at: datetime, begun_at: datetime, done_at: datetime) -> str:
    if done_at < matters_at:
        return "before"
    return "after" if begun_at >= matters_at else "across"


def say(answered: Answered) -> str:
    if isinstance(answered, str):
        return answered
    return answered.code or ("replay" if answered.replayed else "ok")


def describe(booking: dict[str, Any]) -> str:
    rooms = "".join(booked["room"][-1] for booked in booking["rooms"])
    if booking["guests"] > 1:
        rooms += f" for {booking['guests']}"
    first, end = (date.fromisoformat(booking[day]) for day in ("check_in", "check_out"))
    if booking["kind"] == "stay" and (end - first).days > 1:
        rooms += f" for {(end - first).days} nights"
    status = booking["status"]
    if booking["price"]["total"] == NEW_PRICE:
        status += f" at {NEW_PRICE / 100:.2f}"
    events = " ".join(change["event"] for change in booking["history"])
    return f"{rooms} {status}: {events}"


def names_no_account(bookings: list[dict[str, Any]]) -> None:
    """Nothing is left of a deleted account but its pseudonym, the same everywhere."""
    people = {
        person
        for booking in bookings
        for person in (
            booking["caller"],
            booking["owner"],
            *(change["actor"] for change in booking["history"]),
        )
    }
    assert not [person for person in people if person.startswith("user:")], people
    assert len([person for person in people if person.startswith("gone:")]) <= 1, people


def check_slots(bookings: list[dict[str, Any]]) -> None:
    """No night is sold twice, and every booking agrees with itself: its slots with its rooms."""
    taken = Counter(
        slot
        for booking in bookings
        if booking["status"] in ("pending", "confirmed")
        for slot in booking["slots"]
    )
    assert set(taken.values()) <= {1}, taken
    for booking in bookings:
        check_fields_agree(booking)


def check_successes(answered: list[Answered], bookings: list[dict[str, Any]]) -> None:
    """Every success that was answered is in its booking, byte for byte. The booking also matches
    the answer that left it confirmed or cancelled."""
    kept = {
        str(booking["_id"]): [
            entry.get("body") for entry in (*booking["keys"], *booking["history"])
        ]
        for booking in bookings
    }
    for outcome in answered:
        if isinstance(outcome, Outcome) and outcome.code is None:
            assert outcome.answer.body in kept[outcome.content["booking"]["id"]]
            said = outcome.content["booking"]
            is_now = next(each for each in bookings if str(each["_id"]) == said["id"])
            if said["status"] == is_now["status"] != "pending":
                guests = [room["guests"] for room in said["rooms"]]
                assert guests == [booked["guests"] for booked in is_now["rooms"]]

"""A hold that its holder holds again, while it, its price or its room changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from bookings.infrastructure import connections
from bookings.models import RoomCategory
from bookings.stays.outcomes import Outcome
from tests.calls import book, cancel, confirm, extend
from tests.stays.crossings.ends import NEW_PRICE, OLD_PRICE, Answered, at
from tests.stays.crossings.race import Prepare, Race, Side
from tests.stays.crossings.sides import RIVAL, hold, hold_a_minute_ago, move, new_key, sweep

pytestmark = pytest.mark.mongo


# --- For two guests instead of one --------------------------------------------------------------


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


# --- While prices or rooms have changed ---------------------------------------------------------


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


# --- Prices and rooms that change ---------------------------------------------------------------


def again_at_the_old_price(prices: Prices, other_side: Callable[[Outcome], Side]) -> Prepare:
    """The price has risen since the hold was made; its holder quotes the one that they know."""

    def prepare() -> tuple[Side, Side]:
        prices.put(OLD_PRICE)
        held, key = hold(), new_key()
        prices.put(NEW_PRICE)
        return lambda: book(key, hold=True, quotedTotal=OLD_PRICE), other_side(held)

    return prepare


def put_on_sale(room: str, is_sold: bool) -> None:
    connections.database()["rooms"].update_one({"_id": room}, {"$set": {"is_sold": is_sold}})


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

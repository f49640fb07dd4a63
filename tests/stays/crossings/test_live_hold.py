"""A live hold that two change at once, or one of two that their holder may not both have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.calls import cancel, confirm, extend
from tests.conftest import night
from tests.stays.crossings.race import Race, Side
from tests.stays.crossings.sides import both_inside, hold, hold_a_minute_ago, move, new_key

pytestmark = pytest.mark.mongo


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

"""The search for an order that explains answers, with histories that are known to be right or
wrong."""

from __future__ import annotations

import pytest

from tests.orders.model import (
    HOLD,
    PENDING,
    Answer,
    Ran,
    Stay,
    Wish,
    World,
    accepted,
    explanations,
    refused,
)

HELD = Stay(
    *(HOLD, "client:holder", "stay", PENDING, ("A",), 0, 1, 1),
    keys=(HOLD,),
    version=1,
    lines=(("created", HOLD),),
    told=(0, 1),
)
BEGIN: World = {HOLD: HELD}
CANCEL = Wish("cancel", "cancel")
EXTEND = Wish("extend", "extend1")
CREATE = Wish("create", "create1", "client:rival1", ("A",))
OTHER = Wish("create", "create2", "client:rival2", ("A",))
CANCELLED = HELD.with_line("cancelled", "cancel", status="cancelled")
EXTENDED = HELD.with_line("extended", "extend1")
TAKEN = refused(409, "ALREADY_BOOKED")


def made(wish: Wish) -> Answer:
    return (201, "", wish.label, "confirmed", ("A",), 0, 1, 1)


def worlds(*ran: Ran) -> list[World]:
    return list(explanations(BEGIN, ran))


def test_explains_two_that_met_by_one_of_their_orders() -> None:
    (world,) = worlds(Ran(CANCEL, accepted(200, CANCELLED)), Ran(CREATE, made(CREATE)))

    assert world[HOLD].status == "cancelled"
    assert world["create1"].status == "confirmed"


def test_explains_a_refusal_only_before_what_freed_the_room() -> None:
    cancelled = Ran(CANCEL, accepted(200, CANCELLED))

    assert worlds(cancelled, Ran(CREATE, TAKEN))
    assert not worlds(cancelled, Ran(CREATE, TAKEN, after=frozenset({0})))


@pytest.mark.parametrize(
    "ran",
    [
        # The room is held.
        [Ran(CREATE, made(CREATE))],
        # The room is sold twice.
        [
            Ran(CANCEL, accepted(200, CANCELLED)),
            Ran(CREATE, made(CREATE)),
            Ran(OTHER, made(OTHER)),
        ],
        # It was extended after it was cancelled.
        [
            Ran(CANCEL, accepted(200, CANCELLED)),
            Ran(EXTEND, accepted(200, EXTENDED), after=frozenset({0})),
        ],
        # Nothing was in the way of an answer.
        [Ran(EXTEND, refused(409, "TRY_AGAIN"), is_alone=True)],
    ],
)
def test_finds_no_order_for_what_must_not_be(ran: list[Ran]) -> None:
    assert worlds(*ran) == []


def test_lets_one_without_an_answer_take_effect_once_or_never() -> None:
    ends = worlds(Ran(EXTEND, None))

    assert sorted(len(world[HOLD].lines) for world in ends) == [1, 2]


def test_lets_one_that_died_first_take_no_effect_later() -> None:
    died = Ran(CANCEL, None)
    ends = worlds(died, Ran(EXTEND, accepted(200, EXTENDED), after=frozenset({0})))

    assert [world[HOLD].status for world in ends] == [PENDING]


def test_gives_a_key_one_answer() -> None:
    answer = accepted(200, EXTENDED)
    (world, *others) = worlds(Ran(EXTEND, answer), Ran(EXTEND, answer))

    assert [end[HOLD] for end in (world, *others)] == [EXTENDED] * (1 + len(others))

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


def test_gives_a_key_one_refusal_where_it_is_kept() -> None:
    twice = Wish("twice", "twice", "client:rival")
    block = Wish("block", "block1", "hotel:orders", ("B",))
    blocked = Ran(block, (201, "", "block1", "confirmed", ("B",), 0, 1, 0))
    sold_out = Ran(twice, refused(409, "SOLD_OUT"))
    booked = Ran(twice, (201, "", "twice", "confirmed", ("A",), 0, 1, 1))
    cancelled = Ran(CANCEL, accepted(200, CANCELLED))

    assert worlds(blocked, sold_out, sold_out, cancelled)
    assert not worlds(blocked, sold_out, cancelled, booked)


def test_lets_a_change_leave_its_room_only_where_a_rival_may_have_locked_it() -> None:
    change = Wish("change", "change1", first=1, end=2)
    to_b = (200, "", HOLD, PENDING, ("B",), 1, 2, 1)

    assert worlds(Ran(change, to_b))
    assert not worlds(Ran(change, to_b, is_alone=True))
    assert worlds(Ran(change, (200, "", HOLD, PENDING, ("A",), 1, 2, 1), is_alone=True))

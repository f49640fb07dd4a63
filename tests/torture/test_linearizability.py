"""The judge of histories finds each that is known to be bad, and agrees with one that tries all
orders."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.torture import histories
from tests.torture.every_order import some_order_explains
from torture import linearizability
from torture.linearizability import Kind, Op, Parts, TooManyStates, check

OPEN = math.inf
NUMBERS = itertools.count(1)

many = hypothesis.settings(max_examples=200, deadline=None)


def op(kind: Kind, booking: str, began_s: float, ended_s: float, until_s: float = math.inf) -> Op:
    return Op(next(NUMBERS), began_s, ended_s, kind, booking, ended_s != OPEN, until_s)


def take(booking: str, began_s: float, ended_s: float, *, until_s: float = math.inf) -> Op:
    return op("take", booking, began_s, ended_s, until_s)


def free(booking: str, began_s: float, ended_s: float) -> Op:
    return op("free", booking, began_s, ended_s)


def confirm(booking: str, began_s: float, ended_s: float) -> Op:
    return op("confirm", booking, began_s, ended_s)


def extend(booking: str, began_s: float, ended_s: float, *, until_s: float) -> Op:
    return op("extend", booking, began_s, ended_s, until_s)


def refused(began_s: float, ended_s: float) -> Op:
    return op("refused", "", began_s, ended_s)


def holds(booking: str, began_s: float, ended_s: float) -> Op:
    return op("holds", booking, began_s, ended_s)


GOOD = {
    "nothing at all": [],
    "one after the other": [take("A", 0, 1), refused(2, 3), free("A", 4, 5), take("B", 6, 7)],
    "two refusals, one after the other": [take("A", 0, 1), refused(2, 3), refused(4, 5)],
    "a cancellation and a take at the same time": [
        take("A", 0, 1),
        free("A", 2, 9),
        take("B", 3, 4),
    ],
    "a refusal while the slot was taken for a moment": [
        take("A", 0, 5),
        free("A", 4, 9),
        refused(0, 9),
    ],
    "a refusal that is answered in the moment in which the take begins": [
        refused(0, 1),
        take("A", 1, 2),
    ],
    "reads on both sides of a change": [
        take("A", 0, 1),
        take("B", 2, 9),
        free("A", 2, 9),
        holds("A", 3, 4),
        holds("B", 5, 6),
    ],
    "an unknown take that took effect": [take("A", 0, OPEN), refused(5, 6), holds("A", 7, 8)],
    "an unknown take that took none": [take("A", 0, OPEN), take("B", 1, 2), holds("B", 7, 8)],
    "an unknown take that took effect late": [
        take("A", 0, OPEN),
        take("B", 1, 2),
        free("B", 3, 4),
        holds("A", 5, 6),
    ],
    "an unknown take that took effect between others": [
        take("A", 0, OPEN),
        take("B", 2, 3),
        free("B", 4, 5),
        refused(6, 7),
    ],
    "an unknown cancellation that took effect": [
        take("A", 0, 1),
        free("A", 2, OPEN),
        holds("A", 3, 4),
        take("B", 5, 6),
    ],
    "an unknown cancellation that took none": [
        take("A", 0, 1),
        free("A", 2, OPEN),
        holds("A", 30, 40),
    ],
    "an unknown confirmation that kept the hold": [
        take("A", 0, 1, until_s=10),
        confirm("A", 2, OPEN),
        holds("A", 30, 31),
    ],
    "an unknown confirmation that did not": [
        take("A", 0, 1, until_s=10),
        confirm("A", 2, OPEN),
        take("B", 30, 31),
    ],
    "two unknown takes, one after the other's end": [
        take("A", 0, OPEN, until_s=10),
        take("B", 0, OPEN, until_s=20),
        refused(1, 2),
        take("C", 12, 13, until_s=14),
        free("C", 15, 16),
        refused(17, 18),
        take("D", 21, 22),
    ],
    "a hold replaced after its end": [take("A", 0, 1, until_s=10), take("B", 11, 12)],
    "a hold replaced in the moment of its end": [take("A", 0, 1, until_s=10), take("B", 9, 10)],
    "a hold that is still there after its end": [
        take("A", 0, 1, until_s=10),
        refused(50, 51),
        holds("A", 52, 53),
    ],
    "a hold whose end was moved nearer": [
        take("A", 0, 1, until_s=50),
        extend("A", 2, 3, until_s=10),
        take("B", 11, 12),
    ],
    "a booking that became a hold": [
        take("A", 0, 1, until_s=5),
        confirm("A", 2, 3),
        extend("A", 4, 5, until_s=10),
        take("B", 11, 12),
    ],
    "a hold extended and then kept": [
        take("A", 0, 1, until_s=10),
        extend("A", 5, 6, until_s=20),
        refused(15, 16),
        take("B", 21, 22),
    ],
    "a late confirmation of a slot that is free": [
        take("A", 0, 1, until_s=10),
        take("B", 11, 12),
        free("B", 13, 14),
        confirm("A", 15, 16),
        holds("A", 99, 100),
    ],
    "a booking moved away and back": [
        take("A", 0, 1),
        free("A", 2, 3),
        take("B", 4, 5),
        free("B", 6, 7),
        take("A", 8, 9),
        confirm("A", 10, 11),
        holds("A", 12, 13),
    ],
    "a read of a hold that died before another take": [
        take("A", 0, OPEN, until_s=0),
        holds("A", 0, 9),
        take("B", 1, 2),
    ],
    "an unknown confirmation first and an unknown take later": [
        take("A", 0, OPEN),
        confirm("A", 0, OPEN),
        holds("A", 1, 2),
        free("A", 3, 4),
        holds("A", 5, 6),
    ],
    "a confirmation after the cancellation of an earlier hold only": [
        take("A", 0, 9, until_s=0),
        free("A", 0, 9),
        take("A", 0, 9, until_s=0),
        take("B", 10, 11),
        free("B", 12, 13),
        confirm("A", 14, 15),
    ],
    "holds of no length": [take(name, 0, 9, until_s=0) for name in "ABCDEF"],
}

BAD = {
    "two takes at the same time": [take("A", 0, 5), take("B", 3, 8)],
    "a take while another is held": [take("A", 0, 1), take("B", 2, 3)],
    "a take while another's hold lasts": [take("A", 0, 1, until_s=10), take("B", 2, 9)],
    "a refusal while the slot is free": [
        take("A", 0, 1),
        free("A", 2, 3),
        refused(4, 5),
        take("B", 6, 7),
    ],
    "a refusal when nothing was ever taken": [refused(0, 1)],
    "an old read": [
        take("A", 0, 1),
        free("A", 2, 3),
        take("B", 4, 5),
        holds("A", 6, 7),
    ],
    "a read of what was never taken": [take("A", 0, 1), holds("B", 2, 3)],
    "a booking seen after its cancellation": [take("A", 0, 1), free("A", 2, 3), holds("A", 4, 5)],
    "a cancellation of nothing": [free("A", 0, 1)],
    "two cancellations of one take": [take("A", 0, 1), free("A", 2, 3), free("A", 4, 5)],
    "a hold lost before its end": [
        take("A", 0, 1, until_s=10),
        take("B", 2, 3),
    ],
    "a hold lost before its extended end": [
        take("A", 0, 1, until_s=10),
        extend("A", 2, 3, until_s=20),
        take("B", 15, 16),
    ],
    "a booking lost after its confirmation": [
        take("A", 0, 1, until_s=10),
        confirm("A", 2, 3),
        take("B", 15, 16),
    ],
    "a read of a hold that was replaced": [
        take("A", 0, 1, until_s=10),
        take("B", 15, 16),
        holds("A", 17, 18),
    ],
    "an unknown take before it began": [refused(0, 1), take("A", 2, OPEN)],
    "an unknown take that is seen before it began": [holds("A", 0, 1), take("A", 2, OPEN)],
    "an unknown cancellation before it began": [
        take("A", 0, 1),
        take("B", 2, 3),
        free("A", 4, OPEN),
    ],
    "an unknown take in effect twice": [
        take("A", 0, OPEN),
        holds("A", 1, 2),
        free("A", 3, 4),
        holds("A", 5, 6),
    ],
    "an unmentioned take in effect twice": [
        take("A", 0, OPEN, until_s=2),
        refused(1, 2),
        take("B", 3, 4),
        free("B", 5, 6),
        refused(7, 8),
    ],
    "a take in effect twice": [
        take("A", 0, 3),
        free("A", 0, 3),
        holds("A", 4, 5),
        take("B", 6, 7),
    ],
    "an unknown cancellation in effect twice": [
        take("A", 0, 1),
        free("A", 2, OPEN),
        take("B", 3, 4),
        free("B", 5, 6),
        take("A", 7, 8),
        take("C", 9, 10),
    ],
    "an unmentioned take lost before its end": [
        take("A", 0, OPEN, until_s=20),
        refused(1, 2),
        take("B", 3, 4),
    ],
    "a confirmation of a hold that was replaced": [
        take("A", 0, 1, until_s=10),
        take("B", 11, 12),
        confirm("A", 13, 14),
    ],
    "an extension of a hold that was replaced": [
        take("A", 0, 1, until_s=10),
        take("B", 11, 12),
        extend("A", 13, 14, until_s=30),
    ],
    "an extension of nothing": [extend("A", 0, 1, until_s=30)],
    "a confirmation after the cancellation": [
        take("A", 0, 1, until_s=10),
        free("A", 2, 3),
        confirm("A", 4, 5),
    ],
    # These orders would do if each client's own order were all that counts.
    "a take seen before its call": [refused(0, 1), take("A", 2, 3)],
    "a cancellation that a later take overtakes": [
        take("A", 0, 1),
        take("B", 2, 3),
        free("A", 4, 5),
    ],
    "two readers that disagree on the order": [
        take("A", 0, 1),
        free("A", 2, 9),
        take("B", 2, 9),
        holds("B", 3, 4),
        holds("A", 5, 6),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_finds_an_order_for(name: str) -> None:
    assert some_order_explains(GOOD[name])

    assert check("101", GOOD[name], skew_s=0) is None


@pytest.mark.parametrize("name", BAD)
def test_finds_none_for(name: str) -> None:
    assert not some_order_explains(BAD[name])

    violation = check("101", BAD[name], skew_s=0)

    assert violation is not None
    assert not some_order_explains(violation.ops)


@many
@hypothesis.given(histories.good())
def test_finds_an_order_for_each_history_that_came_of_one(ops: list[Op]) -> None:
    assert check("101", ops, skew_s=0) is None


@many
@hypothesis.given(histories.anything() | histories.mutated(), st.sampled_from([0, 1]))
def test_agrees_with_a_trial_of_every_order(ops: list[Op], skew_s: float) -> None:
    violation = check("101", ops, skew_s=skew_s)

    assert (violation is None) == some_order_explains(ops, skew_s=skew_s)
    if violation is not None:
        assert violation.unexplained in violation.ops
        assert not some_order_explains(violation.ops, skew_s=skew_s)


@many
@hypothesis.given(histories.good(), st.data())
def test_leaves_no_violation_where_it_leaves_out_parts(ops: list[Op], data: st.DataObject) -> None:
    parts = Parts(ops)
    left = [part for part in parts.all if data.draw(st.booleans(), label=str(part))]

    assert check("101", parts.only(left), skew_s=0) is None


@pytest.mark.parametrize("name", GOOD)
def test_leaves_no_violation_where_it_leaves_out_any_parts_of(name: str) -> None:
    parts = Parts(GOOD[name])

    for size in range(len(parts.all)):
        for left in itertools.combinations(parts.all, size):
            assert check("101", parts.only(left), skew_s=0) is None


def test_does_not_mind_the_order_in_which_operations_are_handed_over() -> None:
    for ops in GOOD.values():
        assert check("101", reversed(ops), skew_s=0) is None
    for ops in BAD.values():
        assert check("101", reversed(ops), skew_s=0) == check("101", ops, skew_s=0)


def test_lets_a_hold_die_early_by_the_skew_and_no_earlier() -> None:
    ops = [take("A", 0, 1, until_s=10), take("B", 2, 9.75)]

    assert check("101", ops, skew_s=0.25) is None
    assert check("101", ops, skew_s=0.125) is not None


def days(count: int, *, seed: int = 1) -> Iterable[Op]:
    """A long good history, with refusals, reads, dead holds, and takes without an answer."""
    chance = random.Random(seed)
    for day in range(count):
        s, name = day * 100.0, f"B{day}"
        yield take(f"lost{day}", s - 5, OPEN, until_s=s + 5)
        yield take(name, s, s + 9, until_s=s + 30)
        yield refused(s + chance.uniform(0, 5), s + 20)
        yield holds(name, s + 11, s + 19)
        if day % 2:
            yield extend(name, s + 12, s + 20, until_s=s + 50)
            yield confirm(name, s + 22, s + 30)
            yield free(name, s + 32, s + 40)
        else:
            yield take(f"after{day}", s + 40, s + 50)
            yield free(f"after{day}", s + 60, s + 70)


def test_tells_of_a_long_history_only_what_cannot_be() -> None:
    ops = list(days(60))
    first, second = take("one", 3080, 3081, until_s=3095), take("two", 3082, 3083, until_s=3099)
    assert check("101", [*ops, first]) is None

    violation = check("101", [*ops, first, second, free("none", 4000, 4001)])

    assert violation is not None
    assert set(violation.ops) == {first, second}
    assert violation.unexplained == second


def test_tells_nothing_of_an_operation_that_was_to_be_answered_later() -> None:
    first, second = take("A", 0, 1), take("B", 2, 3)
    later = [free("A", 4, 5), free("B", 4, 5), extend("C", 2, 9, until_s=20), take("C", 6, 7)]

    violation = check("101", [first, second, *later])

    assert violation is not None
    assert violation.ops == (first, second)


def test_tells_of_one_of_two_answers_in_the_same_moment() -> None:
    violation = check("101", [refused(0, 1), refused(0, 1)])

    assert violation is not None
    assert violation.ops == (violation.unexplained,)


def test_tells_why_the_slot_was_free() -> None:
    ops = list(days(60))
    wrong = refused(3085, 3089)
    # Each day's take without an answer may be the reason for a refusal, so they are left out here.
    certain = [op for op in ops if op.is_certain]

    violation = check("101", [*certain, wrong])

    assert check("101", [*ops, wrong]) is None
    assert violation is not None
    assert violation.ops == (wrong,)


def test_prints_a_story() -> None:
    ops = [
        Op(7, 100, 100.5, "take", "A", until_s=160),
        Op(8, 101, 102, "extend", "A", until_s=190),
        Op(9, 103, math.inf, "take", "B", is_certain=False),
        Op(10, 170, 171, "take", "C"),
        Op(11, 172, 173, "holds", "C"),
    ]

    assert str(check("room 101 on 24 Dec", ops)).splitlines() == [
        "Slot room 101 on 24 Dec: no order of these operations explains every answer, "
        "whatever the others did.",
        "      0.000 to     0.500 s  #7 takes the slot for A until 60.000 s",
        "      1.000 to     2.000 s  #8 extends A until 90.000 s",
        "     70.000 to    71.000 s  #10 takes the slot for C",
        "Nothing explains the answer to #10. (Holds may die up to 0.05 s early.)",
    ]


@pytest.fixture
def few_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linearizability, "MOST_STATES", 20_000)


@pytest.mark.usefixtures("few_states")
@pytest.mark.parametrize(
    "ops",
    [
        # Each set of those that have died already is one state, and not each order of them.
        [take(f"A{n}", 0, 9 + n, until_s=0) for n in range(11)],
        # Of those without an answer it does not matter which was the reason.
        [
            *(take(f"lost{n}", n, OPEN, until_s=n + 5) for n in range(60)),
            *itertools.chain.from_iterable(
                [take(f"A{n}", n, n + 1), free(f"A{n}", n + 2, n + 3), refused(n + 4, n + 5)]
                for n in range(100, 600, 10)
            ),
        ],
        # Nor which ones of them had no effect.
        [
            *(free("A", 2, OPEN) for _ in range(40)),
            *(extend("A", 2, OPEN, until_s=50 + n) for n in range(40)),
            take("A", 0, 1, until_s=50),
            *(holds("A", n, n + 1) for n in range(3, 40)),
            take("B", 60, 61),
        ],
    ],
    ids=["many died", "many may be the reason", "many had no effect"],
)
def test_tries_few_states_where(ops: list[Op]) -> None:
    assert check("101", ops) is None


def test_forgets_a_state_when_another_comes_that_can_do_as_much() -> None:
    states = linearizability._States()
    worse = linearizability._FIRST._replace(used=0b11)
    better = worse._replace(used=0b01)

    assert [states.add(worse), states.add(better), states.add(worse)] == [True, True, False]
    assert list(states) == [better]


@pytest.mark.usefixtures("few_states")
def test_gives_up_before_it_fills_the_memory() -> None:
    with pytest.raises(TooManyStates):
        check("101", [take(f"A{n}", 0, 9 + n, until_s=0) for n in range(14)])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Op(1, 0, 1, "read", "A"),  # type: ignore[arg-type]
        lambda: Op(1, 0, 1, "take"),
        lambda: Op(1, 0, 1, "refused", "A"),
        lambda: Op(1, 2, 1, "take", "A"),
        lambda: Op(1, math.nan, 1, "take", "A"),
        lambda: Op(1, 0, math.inf, "take", "A"),
        lambda: Op(1, 0, 1, "take", "A", is_certain=False),
        lambda: Op(1, 0, 1, "take", "A", until_s=math.nan),
        lambda: Op(1, 0, 1, "confirm", "A", until_s=10),
    ],
)
def test_takes_no_operation_that_cannot_be(wrong: Callable[[], Op]) -> None:
    with pytest.raises(ValueError, match="#1 "):
        wrong()

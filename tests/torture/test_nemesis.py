"""The schedule of faults, and how it is kept. No server runs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest

from torture.faults import Break, Fault, Phases, UnknownFault, choose
from torture.nemesis import Nemesis, Planned, make_schedule
from torture.stack import Stack

STACK = cast(Stack, None)


def make_fault(
    name: str = "group.kind",
    run: Break | None = None,
    *,
    lasts_s: tuple[float, float] = (1, 4),
    touches: tuple[str, ...] = (),
    missing: Callable[[Any], str] = lambda _: "",
) -> Fault:
    return Fault(name, run or nothing, *lasts_s, frozenset(touches), missing)


def nothing(_: Stack, __: random.Random) -> Phases:
    yield None
    return None


def keep(fault: Fault, *, lasts_s: float) -> Nemesis:
    """The nemesis after one short round with this fault."""
    nemesis = Nemesis(STACK, [Planned(0, 0.0, lasts_s, fault, seed=1)])
    nemesis.keep_round(0, lasts_s, lambda: None)
    return nemesis


# --- The schedule ---------------------------------------------------------------------------------


def test_repeats_a_schedule_by_its_seed() -> None:
    faults = choose(("all",))

    assert make_schedule(7, 5, faults, 60.0) == make_schedule(7, 5, faults, 60.0)
    assert make_schedule(7, 5, faults, 60.0) != make_schedule(8, 5, faults, 60.0)


@pytest.mark.parametrize("seed", range(20))
def test_lets_every_fault_come_once_before_any_comes_twice(seed: int) -> None:
    faults = choose(("all",))
    schedule = make_schedule(seed, 20, faults, 60.0)
    seen = Counter[str]()

    assert len(schedule) > 2 * len(faults)
    for planned in schedule:
        seen[planned.fault.name] += 1
        assert max(seen.values()) - min(seen[each.name] for each in faults) <= 1


@pytest.mark.parametrize("seed", range(20))
def test_never_breaks_the_same_thing_twice_at_a_time(seed: int) -> None:
    faults = [make_fault(f"g.{n}", touches=("redis",), lasts_s=(5, 20)) for n in range(3)]
    faults += [make_fault(f"g.other{n}", touches=("web",), lasts_s=(5, 20)) for n in range(3)]
    schedule = make_schedule(seed, 10, faults, 60.0)

    for number in range(10):
        for thing in ("redis", "web"):
            mine = [
                each for each in schedule if each.round == number and thing in each.fault.touches
            ]
            assert all(before.ends_s <= after.begins_s for before, after in pairwise(mine))


@pytest.mark.parametrize("round_s", [20.0, 60.0])
def test_ends_every_fault_within_its_round(round_s: float) -> None:
    faults = [*choose(("all",)), make_fault(lasts_s=(16, 35))]
    for planned in make_schedule(1, 20, faults, round_s):
        assert planned.begins_s >= 5.0
        assert planned.ends_s <= round_s


def test_gives_a_long_fault_its_time() -> None:
    faults = [make_fault("g.long", lasts_s=(30, 35)), *(make_fault(f"g.{n}") for n in range(20))]
    for planned in make_schedule(1, 20, faults, 60.0):
        assert planned.lasts_s >= planned.fault.least_s or planned.fault.name != "g.long"


def test_plans_nothing_without_faults() -> None:
    assert make_schedule(1, 5, choose(("none",)), 60.0) == []


def test_refuses_a_fault_that_it_does_not_know() -> None:
    with pytest.raises(UnknownFault, match="redis.killed"):
        choose(("redis.kiled",))


# --- Phases ---------------------------------------------------------------------------------------


def test_continues_a_fault_after_as_long_as_it_said() -> None:
    ran: list[str] = []

    def phases(_: Stack, __: random.Random) -> Phases:
        ran.append("broken")
        yield 0.1
        ran.append("second")
        yield None
        ran.append("healed")
        return None

    def watch() -> None:
        if ran[-1] != "healed":
            seen.append(ran[-1])

    seen: list[str] = []
    nemesis = Nemesis(STACK, [Planned(0, 0.0, 0.6, make_fault(run=phases), seed=1)])
    nemesis.keep_round(0, 0.6, watch)

    assert ran == ["broken", "second", "healed"]
    # The second phase lasted until the end, not for another tenth of a second.
    assert 1 <= seen.count("broken") <= 4
    assert seen.count("second") > seen.count("broken")
    assert nemesis.happened[0].problem == ""


def test_runs_through_the_phases_that_are_left_at_the_end() -> None:
    ran: list[int] = []

    def phases(_: Stack, __: random.Random) -> Phases:
        for number in range(100):
            ran.append(number)
            yield 10.0
        return None

    nemesis = keep(make_fault(run=phases), lasts_s=0.2)

    assert ran == list(range(100))
    assert nemesis.happened[0].ended_s - nemesis.happened[0].began_s < 1.0


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_heals_a_fault_that_fails_and_says_why(phase: int) -> None:
    ran: list[str] = []

    def failing(_: Stack, __: random.Random) -> Phases:
        try:
            for number in (1, 2, 3):
                if number == phase:
                    raise OSError("no such server")
                yield 0.05
        finally:
            ran.append("healed")
        return None

    nemesis = keep(make_fault(run=failing), lasts_s=0.3)

    assert ran == ["healed"]
    assert nemesis.happened[0].problem == "failed: OSError: no such server"
    assert nemesis.happened[0].ended_s


def test_says_which_fault_could_not_be_had() -> None:
    def broke_nothing(_: Stack, __: random.Random) -> Phases:
        return None
        yield

    def not_met(_: Stack, __: random.Random) -> Phases:
        yield None
        return "no process met after_lock"

    missing = make_fault(run=broke_nothing, missing=lambda _: "only with Sentinels")
    assert keep(make_fault(run=broke_nothing), lasts_s=0.1).happened[0].problem == (
        "found nothing to break"
    )
    assert keep(make_fault(run=not_met), lasts_s=0.1).happened[0].problem == (
        "no process met after_lock"
    )
    assert keep(missing, lasts_s=0.1).happened[0].problem == "only with Sentinels"

"""/how-it-works shows what the service does: its recordings are made again and judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.record import FOLDER, SCENARIOS, number_of, subsets

pytestmark = pytest.mark.mongo

ROOT = Path(__file__).resolve().parent.parent.parent

NAMES = [f"{scenario.name}-{fault}" for scenario in SCENARIOS for fault in scenario.faults]

# The promises that some order of the steps breaks with these guards off; with any others off, none
# breaks. Claim and lock are missing on purpose: alone they are politeness, and an index covers for
# them.
DAMAGE = {
    "key-none": {
        "claim lookup": {"refused_though_booked"},
        "claim slots keys": {"booked_twice", "sold_twice", "two_answers"},
    },
    "key-lost": {
        "claim lookup": {"refused_though_booked"},
        "claim slots keys": {"booked_twice", "sold_twice", "two_answers"},
    },
    "key-crash": {
        "claim lookup": {"refused_though_booked"},
        "claim slots keys": {"booked_twice", "sold_twice"},
    },
    "key-wipe": {
        "lookup": {"refused_though_booked"},
        "slots keys": {"booked_twice", "sold_twice", "two_answers"},
    },
    **{
        f"room-{fault}": {"slots": {"sold_twice"}}
        for fault in ("none", "lost", "crash", "wipe", "lock_ends")
    },
    "confirm-none": {"slots": {"sold_twice"}},
    "confirm-hold_ends": {"slots": {"sold_twice"}},
}


def recording(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def broken(recorded: dict[str, Any], off: str) -> set[str]:
    """Returns the promises that any end breaks, with these guards off."""
    choice = number_of(off.split(), recorded["guards"])
    places = recorded["graphs"][recorded["off"][choice]]
    return {promise for place in places if is_end(place) for promise in place[1]}


def is_end(place: list[Any]) -> bool:
    return isinstance(place[-1], list)


@pytest.mark.slow
def test_is_recorded_from_this_very_service(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "tests.scenarios.record", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 0, made.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        file.name for file in FOLDER.iterdir()
    )
    for file in tmp_path.iterdir():
        same = file.read_bytes() == (FOLDER / file.name).read_bytes()
        assert same, f"{file.name} is another: run python -m tests.scenarios.record"


@pytest.mark.parametrize("name", NAMES)
def test_keeps_every_promise_in_every_order_with_all_guards_on(name: str) -> None:
    assert broken(recording(name), "") == set()


@pytest.mark.parametrize("name", NAMES)
def test_breaks_what_it_says_and_nothing_else_without_guards(name: str) -> None:
    recorded = recording(name)

    for switched in map(set, subsets(recorded["guards"])):
        off = " ".join(guard for guard in recorded["guards"] if guard in switched)
        # Switching off more than is needed still breaks it, though it may break in another way
        # first.
        culprits = [guards for guards in DAMAGE[name] if set(guards.split()) <= switched]
        possible = {promise for guards in culprits for promise in DAMAGE[name][guards]}
        found = broken(recorded, off)
        assert found <= possible, off
        assert bool(found) == bool(culprits), off
        if off in DAMAGE[name]:
            assert found == DAMAGE[name][off], off


@pytest.mark.parametrize("name", NAMES)
def test_can_be_walked_to_an_end_from_everywhere(name: str) -> None:
    recorded = recording(name)

    assert len(recorded["off"]) == len(subsets(recorded["guards"]))
    for places in recorded["graphs"]:
        reached = {0}
        for number, place in enumerate(places):
            assert number in reached
            assert len(recorded["states"][place[0]]) == len(["claims", "locks", "bookings"])
            if is_end(place):
                continue
            turns = list(zip(place[1::2], place[2::2], strict=True))
            assert any(there for _, there in turns)
            for step, there in turns:
                assert recorded["steps"][step]
                reached.add(there)
        assert reached == set(range(len(places)))

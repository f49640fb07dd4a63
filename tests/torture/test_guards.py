"""Guards that a run switches off: what they name is there, and their figures become tables."""

from __future__ import annotations

import pytest

from bookings.infrastructure.metrics import CONFLICT_CAUSES
from torture import counting, guards, without
from torture.faults import choose
from torture.judging import invariants

INVARIANTS = {text for name, text in vars(invariants).items() if name.isupper()}


@pytest.mark.parametrize("guard", guards.GUARDS.values(), ids=lambda guard: guard.name)
def test_names_faults_and_invariants_that_there_are(guard: guards.Guard) -> None:
    assert guard.faults == ("none",) or choose(guard.faults)
    assert set(guard.caught_by) <= INVARIANTS
    assert guard.is_safety != bool(guard.counter)


def test_counts_writes_by_causes_that_the_site_has() -> None:
    assert {*counting.IN_VAIN} < {*CONFLICT_CAUSES}


def test_finds_guards_by_names_that_come_one_at_a_time() -> None:
    names = ["lease", "lock"]

    assert [guard.name for guard in guards.find(iter(names))] == names


def test_says_which_guards_there_are_if_a_name_is_wrong() -> None:
    with pytest.raises(guards.UnknownGuard, match="'locks'; choose among age_of_caches, "):
        guards.find(["locks"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "guard", [each for each in guards.GUARDS.values() if each.tests], ids=lambda guard: guard.name
)
def test_has_tests_that_fail_without_the_guard(guard: guards.Guard) -> None:
    assert without.failing_tests(guard) == [name.rpartition("::")[2] for name in guard.tests]


@pytest.mark.parametrize(
    ("found", "row"),
    [
        (
            {"caught": True, "by": ["no key is stuck"], "after_operations": 1234},
            "| no key is stuck | 1,234 |",
        ),
        (
            {"caught": True, "tests": ["test_ends"], "operations": 9000},
            "| no run, but `test_ends` | 9,000 |",
        ),
        ({"caught": False, "tests": [], "operations": 9000}, "| **nothing** | 9,000 |"),
    ],
)
def test_tells_what_caught_the_removal_of_a_guard(found: dict, row: str) -> None:
    tables = without.to_tables({"lease": {"what": "", "faults": ["none"], **found}})

    assert f"| ends the claim of a process that died (`lease`) | none {row}" in tables

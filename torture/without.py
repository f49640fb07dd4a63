"""Runs with one guard off at a time.

    python -m torture.without [GUARD ...] [--write PAGE]

Each run has the faults in which its guard matters most. For a safety guard it says which invariant
caught it and after how many operations, or which test did if no run has; for an economy guard, how
much more work was done for each booking than in a run with all guards on. The figures of all guards
are in var/torture/guards.json; with --write, nothing runs, and a page's tables are made of that
file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from torture import counting
from torture.guards import GUARDS, Guard, UnknownGuard, find
from torture.options import ROOT
from torture.report.figures import total
from torture.report.page import begin_of, read_json, show
from torture.report.text import number, table

FOLDER = ROOT / "var" / "torture"
FIGURES = FOLDER / "guards.json"

BEGIN = begin_of("python -m torture.without")

SEED = 1
MINUTES = 3
# Short rounds, so that damage is found soon.
ROUND_S = 20
TRIES = 3


def main(names: list[str], page: Path | None) -> int:
    if page:
        return show(lambda: to_tables(read_json(FIGURES, with_names=())), begin=BEGIN, page=page)
    try:
        guards = find(names) if names else list(GUARDS.values())
    except UnknownGuard as error:
        say(str(error))
        return 2
    known: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    missed = []
    for guard in guards:
        found = try_safety(guard) if guard.is_safety else try_economy(guard)
        known[guard.name] = {"what": guard.what, "faults": guard.faults, **found}
        FIGURES.write_text(json.dumps(known, indent=1) + "\n")
        say(f"{guard.name}: {found}")
        if not found["caught"]:
            missed.append(guard.name)
    if missed:
        say(f"Nothing caught the removal of {', '.join(missed)}.")
    return 1 if missed else 0


def try_safety(guard: Guard) -> dict[str, Any]:
    """Runs without the guard until an invariant breaks that the guard keeps."""
    operations = 0
    for attempt in range(1 if guard.tests else TRIES):
        figures = run(guard.name, guard.faults, seed=SEED + attempt, minutes=MINUTES)
        caught = [each for each in figures["stories"] if each["invariant"] in guard.caught_by]
        if caught:
            after = operations + min(each["after_operations"] for each in caught)
            by = sorted({each["invariant"] for each in caught})
            return {"caught": True, "by": by, "after_operations": after}
        operations += total(figures["operations"])
    failed = failing_tests(guard)
    return {"caught": bool(failed), "tests": failed, "operations": operations}


def failing_tests(guard: Guard) -> list[str]:
    """Those of the guard's tests that fail without it, by the names of their functions."""
    failed = []
    for test in guard.tests:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "torture.tests_without", test],
            cwd=ROOT,
            env={**os.environ, "WITHOUT": guard.name},
            check=False,
        )
        if done.returncode == pytest.ExitCode.TESTS_FAILED:
            failed.append(test.rpartition("::")[2])
        elif done.returncode != pytest.ExitCode.OK:
            raise SystemExit(done.returncode)
    return failed


def try_economy(guard: Guard) -> dict[str, Any]:
    """Compares what was done for each booking with and without the guard."""
    with_it = run("", guard.faults, seed=SEED, minutes=1)
    without = run(guard.name, guard.faults, seed=SEED, minutes=1)
    before, after = (
        figures["counts"].get(guard.counter, 0) / max(1, figures["counts"][counting.BOOKINGS])
        for figures in (with_it, without)
    )
    factor = after / before if before else float("inf")
    return {
        "caught": factor >= guard.factor,
        "counter": guard.counter,
        "with": before,
        "without": after,
        "factor": factor,
        "asked": guard.factor,
        "violations": len(without["stories"]),
    }


def run(without: str, faults: tuple[str, ...], *, seed: int, minutes: float) -> Any:
    """The figures of one run of its own."""
    folder = FOLDER / f"without-{without or 'nothing'}-{seed}"
    done = subprocess.run(
        [sys.executable, "-m", "torture"],
        cwd=ROOT,
        env={
            **os.environ,
            "WITHOUT": without,
            "FAULTS": ",".join(faults),
            "SEED": str(seed),
            "MINUTES": str(minutes),
            "ROUND_S": str(ROUND_S),
            "OUT": str(folder),
        },
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.returncode)
    return json.loads((Path(folder) / "figures.json").read_text())


def to_tables(figures: dict[str, Any]) -> str:
    """The Markdown of both lists of guards, in the order in which the code has them."""
    known = [(guard, figures[guard.name]) for guard in GUARDS.values() if guard.name in figures]
    safety = [
        (
            f"{guard.what} (`{guard.name}`)",
            ", ".join(found["faults"]),
            caught_by(found),
            number(found.get("after_operations", found.get("operations"))),
        )
        for guard, found in known
        if guard.is_safety
    ]
    economy = [
        (
            f"{guard.what} (`{guard.name}`)",
            ", ".join(found["faults"]),
            found["counter"],
            f"{found['with']:.3g}",
            f"{found['without']:.3g}",
            f"{found['factor']:.1f}",
            str(found["violations"]),
        )
        for guard, found in known
        if not guard.is_safety
    ]
    return "\n\n".join(
        [
            table(("without the guard that …", "faults", "caught by", "after operations"), safety),
            table(
                (
                    *("without the guard that …", "faults", "for each booking", "with it"),
                    *("without it", "factor", "violations"),
                ),
                economy,
            ),
        ]
    )


def caught_by(found: dict[str, Any]) -> str:
    if not found["caught"]:
        return "**nothing**"
    if "by" in found:
        return "; ".join(found["by"])
    return "no run, but " + " and ".join(f"`{test}`" for test in found["tests"])


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m torture.without",
        description=f"{__doc__.splitlines()[0]} All of them take about an hour.",
        epilog=f"The guards: {', '.join(GUARDS)}.",
    )
    parser.add_argument("guards", nargs="*", metavar="GUARD")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    asked = parser.parse_args()
    sys.exit(main(asked.guards, asked.write))

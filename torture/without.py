"""Runs with one guard off at a time: `python -m torture.without [GUARD ...]`.

Each run has the faults in which its guard matters most. For a safety guard it says which invariant
caught it and after how many operations; for an economy guard, how much more work was done for each
booking than in a run with all guards on. Writes var/torture/guards.json, from which
docs/reliability.md is made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from torture import counting
from torture.guards import GUARDS, Guard, find
from torture.options import ROOT

FOLDER = ROOT / "var" / "torture"
FIGURES = FOLDER / "guards.json"

SEED = 1
MINUTES = 3
# Short rounds, so that damage is found soon.
ROUND_S = 20
TRIES = 3


def main(names: list[str]) -> int:
    guards = find(names) if names else list(GUARDS.values())
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
    for attempt in range(TRIES):
        figures = run(guard.name, guard.faults, seed=SEED + attempt, minutes=MINUTES)
        caught = [each for each in figures["violations"] if each["invariant"] in guard.caught_by]
        if caught:
            after = operations + min(each["after_operations"] for each in caught)
            by = sorted({each["invariant"] for each in caught})
            return {"caught": True, "by": by, "after_operations": after}
        operations += figures["operations"]
    return {"caught": False, "operations": operations}


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
        "violations": len(without["violations"]),
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


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

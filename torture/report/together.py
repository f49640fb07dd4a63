"""Puts several runs together, as tables for docs/reliability.md:

    python -m torture.report.together FOLDER... [--write docs/reliability.md]

Each folder has the figures.json of one run. Without --write the tables are printed; with it they
replace what is between the two marker lines of that page.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torture.report.figures import rule_of_three, summary, total
from torture.report.page import NoFigures, begin_of, read_json, show
from torture.report.text import (
    bound_text,
    faults_parts,
    gap_text,
    number,
    operations_table,
    plural,
    seconds,
    table,
    throughput_table,
    unknowns_text,
)

COMMAND = "python -m torture.report.together"
BEGIN = begin_of(COMMAND)


def put_together(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of all runs as those of one. Percentiles are of all occurrences."""
    together: dict[str, Any] = {
        name: _add_kinds([run[name] for run in runs]) for name in ("operations", "attempts")
    }
    for name in ("unknowns", "violations"):
        together[name] = _add([run[name] for run in runs])
    together["bound"] = rule_of_three(
        total(together["operations"]), sum(together["violations"].values())
    )
    names = sorted({name for run in runs for name in run["faults"]})
    together["faults"] = {
        name: _add_faults([run["faults"][name] for run in runs if name in run["faults"]])
        for name in names
    }
    together["throughput"] = {
        part: _add_throughput([run["throughput"][part] for run in runs])
        for part in ("healthy", "degraded")
    }
    together["longest_gap_s"] = max(run["longest_gap_s"] for run in runs)
    together["definite_s"] = [each for run in runs for each in run["definite_s"]]
    return together


def to_tables(runs: Sequence[Mapping[str, Any]]) -> str:
    """The Markdown that goes between the markers."""
    together = put_together(runs)
    violations = sum(together["violations"].values())
    operations = total(together["operations"])
    faults = sum(kind["count"] for kind in together["faults"].values())
    minutes = sum(run["working_s"] for run in runs) / 60
    found = plural(violations, "violation") if violations else "no violation"
    parts = [
        f"{plural(len(runs), 'run')}, {number(operations)} operations, "
        f"{number(total(together['attempts']))} requests and {number(faults)} faults in "
        f"{minutes:.0f} minutes: {found}. {bound_text(operations, violations)}",
        _runs_table(runs),
    ]
    if violations:
        parts.append(table(("violated", "times"), together["violations"].items()))
    parts += [
        operations_table(together["operations"], together["attempts"]),
        unknowns_text(together["unknowns"]),
        *faults_parts(together["faults"]),
        throughput_table(together["throughput"]),
        gap_text(together["longest_gap_s"], together["definite_s"], together["unknowns"]["never"]),
    ]
    return "\n\n".join(parts)


def read_runs(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """The figures of these folders, by seed.

    Raises NoFigures if a folder has none, or a run does not belong with others: one without a
    guard, one that was stopped, or one that is there twice.
    """
    runs: list[dict[str, Any]] = []
    for folder in folders:
        run = read_json(folder / "figures.json", with_names=("operations", "faults"))
        if run["without"]:
            raise NoFigures(f"{folder} was run without {', '.join(run['without'])}; leave it out.")
        if run["was_stopped"]:
            raise NoFigures(f"{folder} was stopped before its end; leave it out.")
        if run in runs:
            raise NoFigures(f"{folder} is a run that is there already; leave it out.")
        runs.append(run)
    return sorted(runs, key=lambda run: (run["variant"], run["seed"]))


def _runs_table(runs: Sequence[Mapping[str, Any]]) -> str:
    return table(
        (
            *("seed", "variant", "faults asked", "commit", "minutes", "operations", "faults"),
            *("violations", "longest gap, s", "definite within, s"),
        ),
        [
            (
                str(run["seed"]),
                run["variant"],
                ", ".join(run["faults_asked"]),
                (run["commit"][:8] or "–") + (" with changes" if run["is_dirty"] else ""),
                f"{run['working_s'] / 60:.1f}",
                total(run["operations"]),
                sum(kind["count"] for kind in run["faults"].values()),
                len(run["stories"]),
                seconds(run["longest_gap_s"]),
                seconds(max(run["definite_s"], default=None)),
            )
            for run in runs
        ],
    )


def _add(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    added = Counter[str]()
    for each in counts:
        added.update(each)
    return dict(added)


def _add_kinds(parts: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    kinds = sorted({kind for part in parts for kind in part})
    return {kind: _add([part[kind] for part in parts if kind in part]) for kind in kinds}


def _add_faults(kinds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    added: dict[str, Any] = {
        "count": sum(each["count"] for each in kinds),
        "seconds": sum(each["seconds"] for each in kinds),
        "not_had": _add([each["not_had"] for each in kinds]),
    }
    for since in ("from_begin", "from_end", "from_begin_alone", "from_end_alone"):
        each_s = [recovery_s for kind in kinds for recovery_s in kind[since]["each_s"]]
        unseen = sum(kind[since]["unseen"] for kind in kinds)
        added[since] = summary([*each_s, *[None] * unseen])
    return added


def _add_throughput(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    lasted_s = sum(each["seconds"] for each in parts)
    successes = sum(each["successes"] for each in parts)
    return {
        "seconds": lasted_s,
        "successes": successes,
        "per_s": successes / lasted_s if lasted_s else None,
    }


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0].rstrip(":"))
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    asked = parser.parse_args(argv)
    return show(lambda: to_tables(read_runs(asked.folders)), begin=BEGIN, page=asked.write)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

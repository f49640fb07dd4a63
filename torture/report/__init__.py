"""The report of a run: figures.json, report.md and timeline.html."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from torture.history import Operation
from torture.judging.violations import Violation
from torture.nemesis import Happened
from torture.options import Options


@dataclass(frozen=True)
class Report:
    """What a run did and found."""

    options: Options
    began_s: float
    ended_s: float
    was_stopped: bool
    operations: list[Operation]
    faults: list[Happened]
    violations: list[Violation]
    definite_s: list[float]
    counts: dict[str, float]


def write_report(report: Report, folder: Path) -> None:
    """Writes the files of the report."""
    outcomes = Counter(each.outcome for each in report.operations)
    lines = [f"# Seed {report.options.seed}", "", str(dict(outcomes)), str(report.definite_s)]
    lines += [f"- {each.invariant}\n\n{each.story}\n" for each in report.violations]
    (folder / "report.md").write_text("\n".join(lines), encoding="utf-8")
    (folder / "figures.json").write_text(json.dumps(report.counts), encoding="utf-8")

"""What a run hands to its report."""

from __future__ import annotations

from dataclasses import dataclass, field

from torture.history import Operation
from torture.judging.violations import Violation
from torture.nemesis import Happened
from torture.options import Options


@dataclass(frozen=True)
class PastRound:
    """One round, in wall times: when clients began, when the last fault had ended, when clients
    paused, when every operation was final, and when all of it had been judged."""

    opened_s: float
    calm_s: float
    paused_s: float
    final_s: float
    judged_s: float
    violations: list[Violation] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """What a run did and found. `violations` are all of them, also those of no round."""

    options: Options
    began_s: float
    ended_s: float
    was_stopped: bool
    operations: list[Operation]
    faults: list[Happened]
    rounds: list[PastRound]
    violations: list[Violation]
    counts: dict[str, float]

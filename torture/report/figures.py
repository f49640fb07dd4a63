"""The figures of a run, as `figures.json` has them. docs/reliability.md is written from such files,
so their names stay. Times are seconds; wall times count from the moment when clients began.

    seed, minutes, clients, variant   what was asked for
    faults_asked, without             lists of names; release_before is "" or the folder
    began_at                          the moment when clients began, in UTC
    commit, is_dirty                  the checkout: "" and false if it is none
    was_stopped                       whether it was stopped before its end
    working_s                         how long clients worked, without the pauses for judging
    operations, attempts              by kind: {"ok": n, "refused": n, "unknown": n}
    answers                           how often each came: "201", "409 SOLD_OUT", "no answer"
    unknowns                          operations with a request without an answer, or with one of
                                      5xx, before they were definite: {"success": n, "refusal": n}
                                      were told one later, {"never": n} were not
    faults                            by kind: `count` and `seconds` of those that happened,
                                      `not_had` counts the others by their reason, and the recovery
                                      `from_begin`, `from_end`, `from_begin_alone` and
                                      `from_end_alone` (see below)
    violations                        by invariant: n
    stories                           each violation: `invariant`, `story`, `after_operations` and
                                      `at_s`, when a judge found it
    bound                             with 95 % confidence no more than this part of all operations
                                      violates anything: three by their number. null if some did
    longest_gap_s                     the longest time in which clients worked and no success came
    throughput                        `healthy` and `degraded`, without and with a fault in
                                      progress: `seconds`, `successes` and `per_s`
    definite_s                        for each round: how long after its last fault the last of the
                                      operations that had begun before was definite
    counts                            what the judges counted

A recovery is the time from the beginning or the end of a fault to the next success whose request
was sent after the break, or after the end: {"each_s": [...], "unseen": n, "p50_s", "p99_s",
"max_s"}. Repeated answers do not count, since their booking may be older than the fault. `unseen`
faults had no success after them in the whole run. Other faults may be in progress meanwhile; those
`alone` are the recoveries in which none was, and before which the site had recovered from all.
"""

from __future__ import annotations

import math
import subprocess
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Any

from torture.history import PASSING, Attempt, Operation, Outcome
from torture.nemesis import Happened
from torture.options import ROOT
from torture.report.facts import Report

Span = tuple[float, float]


def figures_of(report: Report) -> dict[str, Any]:
    """All figures; the top of this file says what they are."""
    options, operations = report.options, report.operations
    commit, is_dirty = _checkout()
    recoveries = recoveries_of(report)
    working = [(each.opened_s, each.paused_s) for each in report.rounds]
    return {
        "seed": options.seed,
        "minutes": options.minutes,
        "clients": options.clients,
        "variant": options.variant,
        "faults_asked": list(options.faults),
        "without": list(options.without),
        "release_before": str(options.release_before or ""),
        "began_at": datetime.fromtimestamp(report.began_s, UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "is_dirty": is_dirty,
        "was_stopped": report.was_stopped,
        "working_s": _length(working),
        "operations": _by_kind((each.kind, each.outcome) for each in operations),
        "attempts": _by_kind(
            (each.kind, outcome_of(attempt)) for each in operations for attempt in each.attempts
        ),
        "answers": dict(
            Counter(said(attempt) for each in operations for attempt in each.attempts).most_common()
        ),
        "unknowns": _unknowns(operations),
        "faults": _faults(recoveries),
        "violations": dict(Counter(each.invariant for each in report.violations).most_common()),
        "stories": _stories(report),
        "bound": rule_of_three(len(operations), len(report.violations)),
        "longest_gap_s": _longest_gap(report),
        "throughput": _throughput(report, recoveries, working),
        "definite_s": definite_s(report),
        "counts": dict(report.counts),
    }


# --- Operations ---------------------------------------------------------------------------------


def outcome_of(attempt: Attempt) -> Outcome:
    """How one request ended. Pages may refuse with a redirect, which then has a code."""
    if not attempt.status or attempt.status >= 500:
        return "unknown"
    return "refused" if attempt.status >= 400 or attempt.code else "ok"


def said(attempt: Attempt) -> str:
    """The answer in a word or two."""
    return f"{attempt.status} {attempt.code}".strip() if attempt.status else "no answer"


def _by_kind(outcomes: Iterable[tuple[str, Outcome]]) -> dict[str, dict[str, int]]:
    counts = Counter(outcomes)
    return {
        kind: {outcome: counts[kind, outcome] for outcome in ("ok", "refused", "unknown")}
        for kind in sorted({kind for kind, _ in counts})
    }


def _unknowns(operations: Iterable[Operation]) -> dict[str, int]:
    counts = Counter(filter(None, map(_resolution, operations)))
    return {how: counts[how] for how in ("success", "refusal", "never")}


def _resolution(operation: Operation) -> str:
    """What an operation was told after a request left it in doubt; "" if none did."""
    lost = [each for each in operation.attempts if outcome_of(each) == "unknown"]
    told = _final(operation)
    if not any(each.began_s < _told_s(operation) for each in lost):
        return ""
    if operation.answer is not None:
        return "success"
    return "refusal" if told and operation.attempts[-1] in told else "never"


def _final(operation: Operation) -> list[Attempt]:
    """The requests whose answer said how the operation ended."""
    known = [each for each in operation.attempts if outcome_of(each) != "unknown"]
    return [each for each in known if each.code not in PASSING]


def _told_s(operation: Operation) -> float:
    """When its client knew how it ended; infinity if never."""
    return min((each.ended_s for each in _final(operation)), default=math.inf)


def definite_s(report: Report) -> list[float]:
    """For each round, how long after its last fault every operation was definite."""
    # What its client gave up is asked for in no other way, so it stays in doubt.
    kept = [each for each in report.operations if not each.given_up]
    known_s = [(each.began_s, _told_s(each)) for each in kept]
    found = []
    for past in report.rounds:
        late_s = [
            min(told_s, past.final_s)
            for began_s, told_s in known_s
            if past.opened_s <= began_s < past.calm_s <= told_s
        ]
        found.append(round(max(late_s, default=past.calm_s) - past.calm_s, 3))
    return found


@dataclass(frozen=True)
class Success:
    """The request that told a client of its success first."""

    began_s: float
    ended_s: float
    is_replay: bool


def successes_of(operations: Iterable[Operation]) -> list[Success]:
    """One for each operation that succeeded, in the order of their requests."""
    found = []
    for operation in operations:
        told = [each for each in operation.attempts if outcome_of(each) == "ok"]
        if told:
            first = min(told, key=lambda each: each.ended_s)
            found.append(Success(first.began_s, first.ended_s, first.is_replay))
    return sorted(found, key=lambda each: each.began_s)


# --- Faults and recoveries ----------------------------------------------------------------------


@dataclass(frozen=True)
class Recovery:
    """A fault that happened, and how long the next success took; None if none came. It is alone if
    no other fault, and no recovery from an earlier one, was in progress meanwhile."""

    fault: Happened
    ended_s: float
    from_begin_s: float | None
    from_end_s: float | None
    is_alone_at_begin: bool = False
    is_alone_at_end: bool = False


def recoveries_of(report: Report) -> list[Recovery]:
    """One for each fault, also for those that could not be had, in their order."""
    successes = [each for each in successes_of(report.operations) if not each.is_replay]
    begun_s = [each.began_s for each in successes]
    # The earliest end among the requests that began with this one or later.
    told_s = list(accumulate((each.ended_s for each in reversed(successes)), min))[::-1]

    def next_s(moment_s: float, since_s: float) -> float | None:
        at = bisect_left(begun_s, moment_s)
        return round(told_s[at] - since_s, 3) if at < len(told_s) else None

    found = []
    for fault in report.faults:
        # What was never put right lasted as long as the run.
        ended_s = fault.ended_s or report.ended_s
        if fault.problem:
            found.append(Recovery(fault, ended_s, None, None))
            continue
        # A request that was sent while it was being broken may have come through before.
        broken_s = max(fault.began_s, fault.broken_s)
        recovery = Recovery(
            fault, ended_s, next_s(broken_s, fault.began_s), next_s(ended_s, ended_s)
        )
        found.append(recovery)
    return [_with_company(each, found) for each in found]


def _with_company(recovery: Recovery, everything: Iterable[Recovery]) -> Recovery:
    """The same, with what is known of other faults."""
    others = [
        (each.fault.began_s, each.ended_s + (each.from_end_s or 0.0))
        for each in everything
        if each is not recovery and not each.fault.problem
    ]

    def is_alone(since_s: float, took_s: float | None) -> bool:
        return took_s is not None and not any(
            began_s < since_s + took_s and over_s > since_s for began_s, over_s in others
        )

    return replace(
        recovery,
        is_alone_at_begin=is_alone(recovery.fault.began_s, recovery.from_begin_s),
        is_alone_at_end=is_alone(recovery.ended_s, recovery.from_end_s),
    )


def _faults(recoveries: Sequence[Recovery]) -> dict[str, Any]:
    kinds: dict[str, list[Recovery]] = defaultdict(list)
    for recovery in recoveries:
        kinds[recovery.fault.name].append(recovery)
    return {name: _kind(kinds[name]) for name in sorted(kinds)}


def _kind(recoveries: Sequence[Recovery]) -> dict[str, Any]:
    had = [each for each in recoveries if not each.fault.problem]
    return {
        "count": len(had),
        "seconds": _length((each.fault.began_s, each.ended_s) for each in had),
        "not_had": dict(Counter(each.fault.problem for each in recoveries if each.fault.problem)),
        "from_begin": summary([each.from_begin_s for each in had]),
        "from_end": summary([each.from_end_s for each in had]),
        "from_begin_alone": summary([e.from_begin_s for e in had if e.is_alone_at_begin]),
        "from_end_alone": summary([e.from_end_s for e in had if e.is_alone_at_end]),
    }


def summary(recoveries_s: Iterable[float | None]) -> dict[str, Any]:
    """The recoveries of one kind of fault, and their percentiles."""
    each_s, unseen = [], 0
    for recovery_s in recoveries_s:
        if recovery_s is None:
            unseen += 1
        else:
            each_s.append(recovery_s)
    return {
        "each_s": each_s,
        "unseen": unseen,
        "p50_s": percentile(each_s, 50),
        "p99_s": percentile(each_s, 99),
        "max_s": max(each_s, default=None),
    }


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The least value that is not exceeded by so many per cent of them; None if there are none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


# --- Violations ---------------------------------------------------------------------------------


def rule_of_three(operations: int, violations: int) -> float | None:
    """The 95 % upper bound of a rate of which no case was seen."""
    return None if violations or not operations else 3 / operations


def _stories(report: Report) -> list[dict[str, Any]]:
    found_s = {each: past.judged_s for past in report.rounds for each in past.violations}
    return [
        {
            "invariant": each.invariant,
            "story": each.story,
            "after_operations": each.after_operations,
            "at_s": round(found_s.get(each, report.ended_s) - report.began_s, 3),
        }
        for each in report.violations
    ]


# --- Throughput ---------------------------------------------------------------------------------


def _throughput(
    report: Report, recoveries: Iterable[Recovery], working: Sequence[Span]
) -> dict[str, Any]:
    faults = [(e.fault.began_s, e.ended_s) for e in recoveries if not e.fault.problem]
    degraded = _overlap(working, join(faults))
    ends_s = [each.ended_s for each in successes_of(report.operations)]
    while_working = [each for each in ends_s if _is_in(working, each)]
    while_degraded = [each for each in while_working if _is_in(degraded, each)]
    return {
        "healthy": _rate(
            _length(working) - _length(degraded), len(while_working) - len(while_degraded)
        ),
        "degraded": _rate(_length(degraded), len(while_degraded)),
    }


def _rate(seconds: float, successes: int) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 3),
        "successes": successes,
        "per_s": round(successes / seconds, 3) if seconds > 0 else None,
    }


def _longest_gap(report: Report) -> float:
    """Pauses are none, but a success that clients wait for when they pause ends a gap."""
    ends_s = sorted(each.ended_s for each in successes_of(report.operations))
    longest_s = 0.0
    for past in report.rounds:
        mine = [each for each in ends_s if past.opened_s <= each <= past.final_s]
        if not mine or mine[-1] < past.paused_s:
            mine.append(past.paused_s)
        gaps_s = [after - before for before, after in pairwise([past.opened_s, *mine])]
        longest_s = max(longest_s, *gaps_s)
    return round(longest_s, 3)


def join(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that do not overlap, in their order."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def _overlap(some: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    pairs = [(max(a, c), min(b, d)) for a, b in some for c, d in others]
    return [(begin, end) for begin, end in pairs if begin < end]


def _length(spans: Iterable[Span]) -> float:
    return round(sum(end - begin for begin, end in spans), 3)


def _is_in(spans: Iterable[Span], moment_s: float) -> bool:
    return any(begin <= moment_s < end for begin, end in spans)


# --- The checkout -------------------------------------------------------------------------------


def _checkout() -> tuple[str, bool]:
    """The commit that ran, and whether files were changed since."""
    commit = _git("rev-parse", "HEAD").strip()
    return commit, bool(commit and _git("status", "--porcelain").strip())


def _git(*argv: str) -> str:
    try:
        done = subprocess.run(
            ["git", *argv], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def total(by_kind: Mapping[str, Mapping[str, int]], outcome: str | None = None) -> int:
    """All operations, or attempts, of all kinds; or those with one outcome."""
    return sum(
        n
        for outcomes in by_kind.values()
        for each, n in outcomes.items()
        if outcome in (None, each)
    )

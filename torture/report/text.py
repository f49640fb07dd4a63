"""The report in Markdown, and the tables that it shares with docs/reliability.md."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torture.report.figures import total

# The smallest stories tell most; figures.json has all of them.
MOST_STORIES = 5


def headline(figures: Mapping[str, Any]) -> str:
    """The result in one sentence."""
    faults = sum(kind["count"] for kind in figures["faults"].values())
    found = len(figures["stories"])
    stopped = " (stopped early)" if figures["was_stopped"] else ""
    return (
        f"{number(total(figures['operations']))} operations and {plural(faults, 'fault')} in "
        f"{figures['working_s'] / 60:.1f} minutes{stopped}: "
        f"{plural(found, 'violation') if found else 'no violation'}."
    )


def to_console(figures: Mapping[str, Any]) -> str:
    """What a run says at its end: the smallest story of each violated invariant, and the result."""
    stories = [
        f"VIOLATION: {invariant}\n{smallest['story']}\n"
        for invariant, (smallest, *_) in stories_by_invariant(figures).items()
    ]
    return "\n".join([*stories, headline(figures)])


def to_markdown(figures: Mapping[str, Any]) -> str:
    """The whole report."""
    commit = figures["commit"][:12] or "no commit"
    changed = ", with changes" if figures["is_dirty"] else ""
    off = "".join(f", without its guard {name}" for name in figures["without"])
    parts = [
        f"# Seed {figures['seed']}",
        headline(figures),
        bound_text(total(figures["operations"]), len(figures["stories"])),
        f"Run at {figures['began_at']} on {commit}{changed}, variant {figures['variant']}{off}. "
        "[The timeline](timeline.html) shows throughput, faults and recoveries, and "
        "[figures.json](figures.json) has all figures.",
        f"Repeat it:\n\n    {repeat(figures)}",
    ]
    if figures["stories"]:
        parts.append("## Violations")
    for invariant, stories in stories_by_invariant(figures).items():
        found = plural(figures["violations"][invariant], "violation")
        parts.append(f"### {invariant}\n\n{found}, the smallest first.")
        for each in stories:
            story = "\n".join(f"    {line}" for line in each["story"].splitlines())
            parts.append(f"Found at {clock(each['at_s'])}:\n\n{story}")
    parts += ["## Operations", operations_table(figures["operations"], figures["attempts"])]
    parts.append(unknowns_text(figures["unknowns"]))
    parts.append(table(("answer", "times"), figures["answers"].items()))
    parts += ["## Faults and recoveries", *faults_parts(figures["faults"])]
    parts += ["## Throughput", throughput_table(figures["throughput"])]
    parts.append(
        gap_text(figures["longest_gap_s"], figures["definite_s"], figures["unknowns"]["never"])
    )
    if figures["counts"]:
        parts += ["## Judging", table(("counted", "times"), figures["counts"].items())]
    return "\n\n".join(parts) + "\n"


def stories_by_invariant(figures: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The smallest stories of each invariant that did not hold."""
    found = {
        invariant: [each for each in figures["stories"] if each["invariant"] == invariant]
        for invariant in figures["violations"]
    }
    return {
        invariant: sorted(stories, key=lambda each: len(each["story"]))[:MOST_STORIES]
        for invariant, stories in found.items()
    }


def repeat(figures: Mapping[str, Any]) -> str:
    """The command that does the same again."""
    variables = {
        "SEED": str(figures["seed"]),
        "MINUTES": f"{figures['minutes']:g}",
        "FAULTS": ",".join(figures["faults_asked"]),
        "CLIENTS": str(figures["clients"]),
        "VARIANT": "" if figures["variant"] == "plain" else figures["variant"],
        "WITHOUT": ",".join(figures["without"]),
        "RELEASE_BEFORE": figures["release_before"],
    }
    said = [f"{name}={shlex.quote(value)}" for name, value in variables.items() if value]
    return " ".join([*said, "make torture"])


# --- Tables and sentences -----------------------------------------------------------------------


def operations_table(
    operations: Mapping[str, Mapping[str, int]], attempts: Mapping[str, Mapping[str, int]]
) -> str:
    """Both by kind, with a line for all."""
    outcomes = ("ok", "refused", "unknown")
    rows = [
        [kind, *(operations[kind][each] for each in outcomes), sum(attempts[kind].values())]
        for kind in operations
    ]
    all_of = [total(operations, each) for each in outcomes]
    rows.append(["all", *all_of, total(attempts)])
    return (
        table(("operation", *outcomes, "requests"), rows)
        + "\n\nAn operation is *unknown* if a request of it got no answer, or one of 5xx, and none "
        "of its requests a success: it may have had its effect all the same."
    )


def unknowns_text(unknowns: Mapping[str, int]) -> str:
    in_doubt = sum(unknowns.values())
    if not in_doubt:
        return "No request was left without an answer."
    return (
        f"A lost answer, or one of 5xx, left {plural(in_doubt, 'operation')} in doubt: "
        f"{number(unknowns['success'])} were told of their success later, "
        f"{number(unknowns['refusal'])} of their refusal, and {number(unknowns['never'])} of "
        "neither, since a page that is lost cannot always be asked for again."
    )


def bound_text(operations: int, violations: int) -> str:
    """How much the lack of violations says."""
    if violations or not operations:
        return "With a violation, or without operations, there is no bound for what was not seen."
    return (
        "With 95 % confidence, fewer than one operation in "
        f"{number(max(1, operations // 3))} violates anything (rule of three)."
    )


def faults_parts(faults: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is said of faults and recoveries, with two tables."""
    if not faults:
        return ["No faults were made."]
    return [
        "How often each fault was made, and how many seconds it lasted in all; then the seconds "
        "from its beginning, and from its end, to the next success of a request that was sent "
        "after it. Other faults may be in progress meanwhile.",
        _faults_table(faults),
        *_never_had_parts(faults),
        *_alone_parts(faults),
    ]


def _faults_table(faults: Mapping[str, Mapping[str, Any]]) -> str:
    """Every kind of fault: how often, how long, and how the site recovered from it."""
    rows = []
    for name, kind in faults.items():
        if not kind["count"]:
            continue
        figures = [
            seconds(kind[since][which])
            for since in ("from_begin", "from_end")
            for which in ("p50_s", "p99_s", "max_s")
        ]
        unseen = kind["from_begin"]["unseen"] or kind["from_end"]["unseen"]
        notes = [f"{why}: {times}" for why, times in kind["not_had"].items()]
        notes += [f"no success came after {plural(unseen, 'fault')}"] if unseen else []
        rows.append([name, kind["count"], f"{kind['seconds']:.0f}", *figures, "; ".join(notes)])
    return table(
        (
            *("fault", "times", "seconds", "begin p50", "p99", "max", "end p50", "p99", "max"),
            "planned, but not made",
        ),
        rows,
    )


def _never_had_parts(faults: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names the faults of which there was none, by the reason."""
    names: dict[str, list[str]] = {}
    for name, kind in faults.items():
        if not kind["count"]:
            names.setdefault("; ".join(kind["not_had"]), []).append(f"`{name}`")
    if not names:
        return []
    said = "; ".join(f"{', '.join(each)} ({why})" for why, each in names.items())
    return [f"Planned, but never made: {said}."]


def _alone_parts(faults: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = []
    for name, kind in faults.items():
        row: list[object] = [name]
        for since in ("from_begin_alone", "from_end_alone"):
            row.append(len(kind[since]["each_s"]))
            row += [seconds(kind[since][which]) for which in ("p50_s", "p99_s", "max_s")]
        if any(kind[since]["each_s"] for since in ("from_begin_alone", "from_end_alone")):
            rows.append(row)
    if not rows:
        return []
    return [
        "Only the recoveries in which no other fault was in progress, and before which the site "
        "had recovered from all earlier ones:",
        table(("fault", "begins", "p50", "p99", "max", "ends", "p50", "p99", "max"), rows),
    ]


def throughput_table(throughput: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (label, f"{part['seconds']:.0f}", part["successes"], seconds(part["per_s"], digits=1))
        for label, part in (
            ("without a fault", throughput["healthy"]),
            ("with faults", throughput["degraded"]),
        )
    ]
    return table(("while clients worked", "seconds", "successes", "a second"), rows)


def gap_text(longest_gap_s: float, definite_s: Sequence[float], never: int = 0) -> str:
    """`never` counts the operations that were never told how they ended."""
    text = (
        f"The longest time without any success was {longest_gap_s:.2f} s. (A recovery may take "
        "longer: only requests that were sent after the fault count.)"
    )
    if definite_s:
        lost = plural(never, "operation")
        but = f", but for {lost} that no one could ask for again" if never else ""
        text += (
            f" Every operation was definite {max(definite_s):.2f} s after a round had ended, and "
            f"with it its last fault, at the latest, in {plural(len(definite_s), 'round')}{but}."
        )
    return text


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown, with columns of numbers to the right."""
    cells = [[_cell(each) for each in row] for row in rows]
    rules = [
        "---:" if at and all(_NUMBER.fullmatch(row[at]) for row in cells) else "---"
        for at in range(len(head))
    ]
    lines = [[_cell(each) for each in head], rules, *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_NUMBER = re.compile(r"[0-9][0-9,]*(\.[0-9]+)?|–|")


def _cell(value: object) -> str:
    if isinstance(value, float):
        value = int(value) if value.is_integer() else f"{value:.3g}"
    text = number(value) if isinstance(value, int) else str(value)
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def number(value: int) -> str:
    return f"{value:,}"


def plural(count: int, noun: str) -> str:
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def seconds(value: float | None, *, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def clock(at_s: float) -> str:
    """Minutes and seconds from the start."""
    minutes, rest = divmod(max(0, round(at_s)), 60)
    return f"{minutes}:{rest:02}"

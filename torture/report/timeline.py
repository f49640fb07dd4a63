"""A run on one page that opens from a disk: throughput, faults, recoveries and violations."""

from __future__ import annotations

import html
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torture.report.facts import Report
from torture.report.figures import Recovery, outcome_of, recoveries_of
from torture.report.text import clock, headline, repeat, seconds, stories_by_invariant

STYLE = (Path(__file__).parent / "timeline.css").read_text(encoding="utf-8")

# More could not be told apart on a screen.
MOST_STEPS = 900
MOST_TICKS = 6

OUTCOMES = {
    "ok": "success",
    "refused": "refusal",
    "unknown": "no answer, or an error",
}


def to_html(report: Report, figures: Mapping[str, Any]) -> str:
    """The whole page."""
    plot = _Plot(report)
    # What this machine or variant cannot have has no time. report.md names it.
    recoveries = [each for each in recoveries_of(report) if each.fault.began_s]
    title = html.escape(f"Seed {figures['seed']}")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: timeline</title>
<style>
{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p>{html.escape(headline(figures))}</p>
<p><code>{html.escape(repeat(figures))}</code></p>
<ul class="legend">
{_legend()}
</ul>
<div class="plot">
{plot.throughput()}
{plot.axis()}
{plot.faults(recoveries)}
{plot.violations(figures["stories"])}
{plot.axis()}
</div>
{_violations(figures)}
{_table(report, recoveries)}
</body>
</html>
"""


class _Plot:
    """Rows that share their axis of time. The browser stretches them to the width of the page."""

    def __init__(self, report: Report) -> None:
        self._report = report
        # After the last judging only news is waited for.
        ended_s = max((past.judged_s for past in report.rounds), default=report.ended_s)
        self._length_s = max(1.0, ended_s - report.began_s)
        self._step_s = max(1, math.ceil(self._length_s / MOST_STEPS))

    def throughput(self) -> str:
        """Answers a second, as areas on each other."""
        steps: dict[str, Counter[int]] = {outcome: Counter() for outcome in OUTCOMES}
        for operation in self._report.operations:
            for attempt in operation.attempts:
                at_s = (attempt.ended_s or attempt.began_s) - self._report.began_s
                steps[outcome_of(attempt)][int(at_s // self._step_s)] += 1
        number = math.ceil(self._length_s / self._step_s)
        sums = [0.0] * number
        areas = []
        for outcome in OUTCOMES:
            sums = [before + steps[outcome][at] / self._step_s for at, before in enumerate(sums)]
            areas.append((outcome, sums))
        top = _round_up(max(sums, default=0.0))
        shapes = [
            f'<path class="{outcome}" d="{self._area(heights, top)}"/>'
            for outcome, heights in reversed(areas)
        ]
        middle = f'<path class="grid" d="M0 {top / 2:g}H{self._length_s:.2f}"/>'
        labels = f'<span class="top">{top:g}</span><span class="middle">{top / 2:g}</span>'
        return self._row(
            "Answers a second", [middle, *shapes, self._violation_lines()], top, "tall", labels
        )

    def faults(self, recoveries: Iterable[Recovery]) -> str:
        """A row for each kind, in the order of their first occurrence."""
        rows: dict[str, list[str]] = defaultdict(list)
        for each in recoveries:
            rows[each.fault.name].append(self._fault(each))
        return "\n".join(
            self._row(name, [*shapes, self._violation_lines()], 1.0)
            for name, shapes in rows.items()
        )

    def _fault(self, recovery: Recovery) -> str:
        fault, began_s = recovery.fault, recovery.fault.began_s - self._report.began_s
        if fault.problem:
            words = html.escape(f"{fault.name} at {clock(began_s)}: {fault.problem}")
            return f'<path class="not-had" d="M{began_s:.2f} .3V.7"><title>{words}</title></path>'
        lasted_s = recovery.ended_s - fault.began_s
        words = f"{fault.name} at {clock(began_s)} for {lasted_s:.1f} s"
        shapes = (
            f'<rect class="fault" x="{began_s:.2f}" y=".15" width="{lasted_s:.2f}" height=".7">'
            f"<title>{html.escape(words)}</title></rect>"
        )
        for y, since_s, took_s, since in (
            (".32", began_s, recovery.from_begin_s, "its beginning"),
            (".68", began_s + lasted_s, recovery.from_end_s, "its end"),
        ):
            if took_s is not None:
                words = f"next success {took_s:.2f} s after {since}"
                shapes += (
                    f'<path class="recovery" d="M{since_s:.2f} {y}H{since_s + took_s:.2f}">'
                    f"<title>{html.escape(words)}</title></path>"
                )
        return shapes

    def violations(self, stories: Iterable[Mapping[str, Any]]) -> str:
        """A row of them, if there are any."""
        shapes = [
            f'<path class="violation" d="M{min(each["at_s"], self._length_s):.2f} 0V1">'
            f"<title>{html.escape(each['invariant'])}</title></path>"
            for each in stories
        ]
        return self._row("Violations found", shapes, 1.0) if shapes else ""

    def axis(self) -> str:
        step_s = next(
            (each for each in (10, 30, 60, 120, 300, 600) if self._length_s / each <= MOST_TICKS),
            math.ceil(self._length_s / MOST_TICKS / 600) * 600,
        )
        # A label at the very end would leave the page.
        ticks = [at for at in range(0, int(self._length_s), step_s) if at < self._length_s * 0.88]
        labels = "".join(
            f'<span style="left:{at / self._length_s:.2%}">{clock(at)}</span>' for at in ticks
        )
        return (
            '<div class="row" aria-hidden="true"><div class="name"></div>'
            f'<div class="axis">{labels}</div></div>'
        )

    def _violation_lines(self) -> str:
        moments = {
            past.judged_s - self._report.began_s for past in self._report.rounds if past.violations
        }
        return "".join(f'<path class="violated" d="M{at:.2f} 0V1000"/>' for at in sorted(moments))

    def _row(
        self, name: str, shapes: Iterable[str], height: float, kind: str = "", labels: str = ""
    ) -> str:
        began_s = self._report.began_s
        pauses = "".join(
            f'<rect class="pause" x="{past.paused_s - began_s:.2f}" y="0" '
            f'width="{past.judged_s - past.paused_s:.2f}" height="{height:g}"/>'
            for past in self._report.rounds
        )
        words = html.escape(name)
        return (
            f'<div class="row"><div class="name">{words}</div><div class="track {kind}">'
            f'<svg viewBox="0 0 {self._length_s:.2f} {height:g}" preserveAspectRatio="none" '
            f'role="img" aria-label="{words}">{pauses}{"".join(shapes)}</svg>{labels}</div></div>'
        )

    def _area(self, heights: list[float], top: float) -> str:
        """A step for each height, down to the ground."""
        steps = [
            f"V{top - height:.2f}H{min((at + 1) * self._step_s, self._length_s):.2f}"
            for at, height in enumerate(heights)
        ]
        return f"M0 {top:g}{''.join(steps)}V{top:g}Z"


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 and so on, doubled so that a half of it is round too."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(each * power for each in (1, 2, 4, 6, 8, 10) if each * power >= value)


def _legend() -> str:
    items = [
        *((outcome, words) for outcome, words in OUTCOMES.items()),
        ("fault", "a fault in progress"),
        ("recovery", "until the next success after its beginning (above) and its end (below)"),
        ("not-had", "a fault that could not be had"),
        ("pause", "clients pause, and all is judged"),
        ("violation", "a violation was found"),
    ]
    return "\n".join(f'<li><span class="{kind}"></span>{words}</li>' for kind, words in items)


def _violations(figures: Mapping[str, Any]) -> str:
    parts = ["<h2>Violations</h2>"] if figures["stories"] else []
    for invariant, stories in stories_by_invariant(figures).items():
        parts.append(f"<h3>{html.escape(invariant)}</h3>")
        parts += [
            f'<p>Found at {clock(each["at_s"])}.</p><pre tabindex="0">'
            f"{html.escape(each['story'])}</pre>"
            for each in stories
        ]
    return "\n".join(parts)


def _table(report: Report, recoveries: Iterable[Recovery]) -> str:
    rows = []
    for each in recoveries:
        fault = each.fault
        name = html.escape(fault.name)
        if fault.problem:
            name += f"<br><small>{html.escape(fault.problem)}</small>"
        figures = (
            None if fault.problem else each.ended_s - fault.began_s,
            each.from_begin_s,
            each.from_end_s,
        )
        cells = "".join(f"<td>{seconds(figure)}</td>" for figure in figures)
        at = clock(fault.began_s - report.began_s)
        rows.append(f'<tr><td>{at}</td><th scope="row">{name}</th>{cells}</tr>')
    if not rows:
        return "<p>No faults were made.</p>"
    return (
        "<h2>Faults</h2>\n<p>How long each lasted, and how long after its beginning and its end "
        "the next success of a new request came, in seconds.</p>\n"
        '<div class="scroll" tabindex="0" role="region" aria-label="Faults"><table>\n<thead><tr>'
        '<th scope="col">at</th><th scope="col">fault</th><th scope="col">lasted</th>'
        '<th scope="col">begin</th><th scope="col">end</th></tr></thead>\n'
        f"<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>"
    )

"""The figures of a run: as a table, as JSON, and as a chart."""

import html
import json
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.load.driving import Sample

# The target that all others are compared with.
SITE = "site"

Figure = Callable[[Sample], float]


def total_cpu_ms(sample: Sample) -> float:
    """Milliseconds of processor time that all processes together spent on a request."""
    return sum(sample.cpu_ms.values())


@dataclass(frozen=True)
class Result:
    """All counted rounds of one scenario, by target and in order."""

    name: str
    title: str
    expected: frozenset[int]
    samples: Mapping[str, Sequence[Sample]]
    within_s: float | None = None

    @property
    def longest_s(self) -> float:
        """The site's longest round."""
        return max(sample.wall_s for sample in self.samples[SITE])

    @property
    def is_late(self) -> bool:
        """Whether a round of the site lasted longer than it may."""
        return self.within_s is not None and self.longest_s > self.within_s

    @property
    def odd(self) -> Counter[int]:
        """Statuses of the site that are not right, and how often they came."""
        statuses = Counter[int]()
        for sample in self.samples[SITE]:
            statuses.update(sample.statuses)
        return Counter({each: n for each, n in statuses.items() if each not in self.expected})

    def median(self, target: str, figure: Figure) -> float:
        """The median of the rounds."""
        return median(figure(sample) for sample in self.samples[target])

    def ratio(self, target: str, figure: Figure) -> float:
        """The site's figure over the target's: the median of the ratios within a round."""
        pairs = zip(self.samples[SITE], self.samples[target], strict=True)
        return median(figure(ours) / (figure(theirs) or float("inf")) for ours, theirs in pairs)

    @property
    def peer(self) -> str | None:
        """The peer that needs less processor time, of those that were asked."""
        peers = [name for name in self.samples if name.startswith("peer")]
        return min(peers, key=lambda name: self.median(name, total_cpu_ms), default=None)


def to_text(results: Sequence[Result], earlier: Mapping[str, Any], *, headed: bool = True) -> str:
    """A block of lines for each scenario, and the ratios to an earlier run."""
    lines = []
    if headed:
        lines.append(f"{'':34}    req/s   p50 ms   p99 ms   CPU ms a request")
    for result in results:
        lines.append(result.title)
        for target in result.samples:
            lines.append(_line_of(result, target))
        if result.within_s is not None:
            lines.append(_rounds_of(result))
        if result.odd:
            lines.append(f"  WRONG answers of the site, by status: {dict(result.odd)}")
        if result.name in earlier:
            lines.append(_against(result, earlier[result.name]))
    return "\n".join(lines)


def _line_of(result: Result, target: str) -> str:
    processes = result.samples[target][0].cpu_ms
    parts = [
        f"{name} {median(sample.cpu_ms[name] for sample in result.samples[target]):.3f}"
        for name in processes
    ]
    line = (
        f"  {target:30} {result.median(target, lambda each: each.rate):8.0f} "
        f"{result.median(target, lambda each: each.p50_ms):8.2f} "
        f"{result.median(target, lambda each: each.p99_ms):8.2f}   "
        f"{result.median(target, total_cpu_ms):7.3f} ({', '.join(parts)})"
    )
    if target == SITE:
        return line
    rate, cpu = result.ratio(target, lambda each: each.rate), result.ratio(target, total_cpu_ms)
    p50 = result.ratio(target, lambda each: each.p50_ms)
    return f"{line}  site: {rate:.2f} × the rate, {p50:.2f} × p50, {cpu:.2f} × the CPU"


def _rounds_of(result: Result) -> str:
    """How long the site's rounds lasted, and what it answered in them."""
    samples = result.samples[SITE]
    statuses = sum((Counter(sample.statuses) for sample in samples), Counter[int]())
    return (
        f"  {'LATE: ' if result.is_late else ''}the last definite answer after "
        f"{median(sample.wall_s for sample in samples):.2f} s, at worst {result.longest_s:.2f} s "
        f"of {result.within_s:.0f} s; all answers by status: {dict(sorted(statuses.items()))}"
    )


def _against(result: Result, before: Mapping[str, Any]) -> str:
    def now(figure: Figure) -> float:
        return result.median(SITE, figure)

    rate = now(lambda each: each.rate) / before["rate"]
    p50 = now(lambda each: each.p50_ms) / before["p50_ms"]
    cpu = now(total_cpu_ms) / before["cpu_ms"]
    return f"  earlier run: {rate:.2f} × the rate, {p50:.2f} × p50, {cpu:.2f} × the CPU"


def read(path: Path) -> dict[str, Any]:
    """The site's medians in the JSON file of an earlier run, by scenario. Raises SystemExit."""
    try:
        scenarios = json.loads(path.read_text())["scenarios"]
        return {name: scenario["medians"][SITE] for name, scenario in scenarios.items()}
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"Set COMPARE to the JSON file of an earlier run: {error}.") from None


def write(path: Path, results: Sequence[Result]) -> None:
    """Every sample and all medians, as JSON."""
    path.write_text(
        json.dumps(
            {
                "machine": {"processor": _processor(), "python": platform.python_version()},
                "scenarios": {result.name: _as_json(result) for result in results},
            },
            indent=1,
        )
    )


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "title": result.title,
        "samples": {
            target: [asdict(sample) | {"statuses": dict(sample.statuses)} for sample in samples]
            for target, samples in result.samples.items()
        },
        "medians": {
            target: {
                "rate": result.median(target, lambda each: each.rate),
                "p50_ms": result.median(target, lambda each: each.p50_ms),
                "p99_ms": result.median(target, lambda each: each.p99_ms),
                "cpu_ms": result.median(target, total_cpu_ms),
            }
            for target in result.samples
        },
        "ratios": {
            target: {
                "rate": result.ratio(target, lambda each: each.rate),
                "p50": result.ratio(target, lambda each: each.p50_ms),
                "cpu": result.ratio(target, total_cpu_ms),
            }
            for target in result.samples
            if target != SITE
        },
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


# --- The chart ------------------------------------------------------------------------------

_BAR, _GAP, _LEFT, _WIDTH = 14, 14, 260, 560


def draw(path: Path, results: Sequence[Result]) -> None:
    """Processor time of a request by target, as bars; each scenario has a scale of its own."""
    shapes, y = [], 10
    for result in results:
        shapes.append(f'<text x="4" y="{y + 11}">{html.escape(result.title)}</text>')
        most = max(result.median(target, total_cpu_ms) for target in result.samples) or 1
        for target in result.samples:
            value = result.median(target, total_cpu_ms)
            shapes.append(
                f'<rect x="{_LEFT}" y="{y}" width="{_WIDTH * value / most:.1f}" '
                f'height="{_BAR - 3}" class="{"site" if target == SITE else "other"}"/>'
                f'<text x="{_LEFT + _WIDTH * value / most + 6:.1f}" y="{y + 10}">'
                f"{value:.2f} ms {html.escape(target)}</text>"
            )
            y += _BAR
        y += _GAP
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 180} {y}">'
        "<style>text{font:11px sans-serif}.site{fill:#14532d}.other{fill:#9ca3af}</style>"
        "<title>Processor time of a request, in milliseconds; less is better</title>"
        f"{''.join(shapes)}</svg>\n"
    )

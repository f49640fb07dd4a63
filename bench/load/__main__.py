"""Measures the site: `make bench`, with these variables.

PEER_COMMAND  starts another service with the same API, given PORT, MONGODB_URI, REDIS_URL and
              WORKERS (1, then 2); the better of the two is compared
BASELINE      the folder of another version of the site, measured in the same rounds
COMPARE       the JSON file of an earlier run, whose figures are shown beside these
BOOKINGS      how many bookings the database has before the first round
BASELINE_BOOKINGS  the same for the baseline, which is this version if no other is given
SCENARIOS     their names, separated by commas (default: all)
ROUNDS        rounds of each scenario (5); SECONDS is the length of one (3)
CONNECTIONS   how many clients ask at once (32), where a scenario leaves it open

Each round asks the site, its floor, the baseline and the peer one after the other, in another order
each time. Figures are medians of the rounds, and ratios are medians of the ratios within a round.
The JSON file and the chart go to `var/bench`, or to BENCH_FOLDER.
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench.load import report
from bench.load.driving import Sample
from bench.load.filling import MOST
from bench.load.scenarios import (
    SCENARIOS,
    Round,
    Scenario,
    Wrong,
    ask_floor,
    ask_once,
    booking_of,
    new_key,
    post,
)
from bench.load.stack import ROOT, NotStarted, Stack, Target

FOLDER = Path(os.environ.get("BENCH_FOLDER") or ROOT / "var" / "bench")


@dataclass(frozen=True)
class Options:
    """The variables, read."""

    peer_command: str
    baseline: str
    compare: str
    bookings: int
    baseline_bookings: int
    scenarios: Sequence[Scenario]
    rounds: int
    seconds: int
    connections: int


def read_options() -> Options:
    """Raises SystemExit if a variable makes no sense."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    names = [name for name in os.environ.get("SCENARIOS", "").split(",") if name] or list(known)
    for name in names:
        if name not in known:
            raise SystemExit(f"SCENARIOS has {name}; choose from {', '.join(known)}.")
    numbers = {}
    bookings = os.environ.get("BOOKINGS") or "0"
    for name, default, least, most in (
        ("BOOKINGS", "0", 0, MOST),
        ("BASELINE_BOOKINGS", bookings, 0, MOST),
        ("ROUNDS", "5", 1, 100),
        ("SECONDS", "3", 1, 600),
        ("CONNECTIONS", "32", 1, 500),
    ):
        text = os.environ.get(name) or default
        if not text.isdecimal() or not least <= int(text) <= most:
            raise SystemExit(f"Set {name} to a number from {least} to {most}, not {text!r}.")
        numbers[name.lower()] = int(text)
    baseline = os.environ.get("BASELINE", "")
    return Options(
        peer_command=os.environ.get("PEER_COMMAND", ""),
        baseline=baseline or (str(ROOT) if "BASELINE_BOOKINGS" in os.environ else ""),
        compare=os.environ.get("COMPARE", ""),
        scenarios=[known[name] for name in names],
        **numbers,
    )


def main() -> int:
    options = read_options()
    earlier = report.read(Path(options.compare)) if options.compare else {}
    results: list[report.Result] = []
    try:
        for members in (1, 3):
            chosen = [each for each in options.scenarios if each.members == members]
            if chosen:
                with tempfile.TemporaryDirectory(prefix="bookingsite-bench-") as name:
                    results += measure(options, chosen, Path(name), members)
    except (NotStarted, Wrong) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{time.strftime('%Y-%m-%d-%H%M%S')}.json"
    report.write(path, results)
    report.draw(path.with_suffix(".svg"), results)
    if earlier:
        print(report.to_text(results, earlier))  # noqa: T201
    print(f"{path}\n{path.with_suffix('.svg')}")  # noqa: T201
    return 1 if any(result.odd or result.is_late for result in results) else 0


def measure(
    options: Options, scenarios: Sequence[Scenario], folder: Path, members: int
) -> list[report.Result]:
    """Starts everything, runs the scenarios, and stops everything."""
    wanted = [("site", ROOT, options.bookings)]
    if options.baseline:
        wanted.append(("baseline", Path(options.baseline).resolve(), options.baseline_bookings))
    with ExitStack() as closing:
        stacks, sites = [], []
        for name, code, bookings in wanted:
            # A MongoDB of its own, so that neither's cache has the other's bookings.
            (folder / name).mkdir()
            stacks.append(Stack(folder / name, members=members))
            closing.callback(stacks[-1].close)
            site = stacks[-1].start_site(code, name)
            # The pattern for `filling`; it also shows that the site works.
            ask_once(site.target, post(site.target, booking_of(0), new_key()))
            site.run(str(ROOT / "bench" / "load" / "filling.py"), str(bookings))
            sites.append(site)
        floor = stacks[0].start_floor()
        peers = [
            stacks[0].start_peer(options.peer_command, processes=processes)
            for processes in (1, 2)
            if options.peer_command and any(each.with_peer for each in scenarios)
        ]
        numbers = {target.name: count(1) for target in [each.target for each in sites] + peers}
        numbers["floor"] = count(1)
        nights = {name: count(1) for name in numbers}
        results: list[report.Result] = []
        for scenario in scenarios:
            targets = [site.target for site in sites] + (peers if scenario.with_peer else [])
            result = run(scenario, [*targets, floor], numbers, nights, options)
            print(report.to_text([result], {}, headed=not results), flush=True)  # noqa: T201
            results.append(result)
            if result.odd:
                print(sites[0].log(), file=sys.stderr)  # noqa: T201
        return results


def run(
    scenario: Scenario,
    targets: Sequence[Target],
    numbers: dict[str, "count[int]"],
    nights: dict[str, "count[int]"],
    options: Options,
) -> report.Result:
    """All rounds of a scenario, after one for each target that warms it up and is not counted."""
    samples: dict[str, list[Sample]] = {target.name: [] for target in targets}
    for number in range(options.rounds + 1):
        turn = number % len(targets)
        for target in [*targets[turn:], *targets[:turn]]:
            name = target.name
            round = Round(target, options.seconds, options.connections, numbers[name], nights[name])
            sample = ask(scenario, round)
            if number:
                samples[target.name].append(sample)
    return report.Result(
        scenario.name, scenario.title, scenario.expected, samples, scenario.within_s
    )


def ask(scenario: Scenario, round: Round) -> Sample:
    """One round. The floor is asked for its own kind of work."""
    if round.target.name == "floor":
        return ask_floor(round, scenario.floor)
    return scenario.ask(round)


if __name__ == "__main__":
    sys.exit(main())

"""Plays what the environment asks for, prints the figures and writes them into a file."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django

from locks.connection import CONNECTION_OPTIONS
from tests.scenarios.stage import Place, explore

ROOT = Path(__file__).resolve().parent.parent.parent


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


class NotKnown(Exception):
    """A variable cannot be used; the message says what to write instead."""


@dataclass(frozen=True)
class Asked:
    """What the environment asks for."""

    worlds: tuple[str, ...]
    pairs: list[tuple[str, ...]]
    unmerged: list[tuple[str, ...]]
    triples: list[tuple[str, ...]]
    switches: int
    off: tuple[str, ...]
    crashes: bool
    time_passes: bool

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Asked:
        """Raises NotKnown."""
        from tests.orders.guards import GUARDS
        from tests.orders.worlds import WORLDS

        def text(name: str, otherwise: str) -> str:
            return environment.get(name) or otherwise

        if not text("SWITCHES", "3").isdecimal():
            raise NotKnown(f"Set SWITCHES to a number such as 3, not {environment['SWITCHES']!r}.")
        return cls(
            worlds=among("WORLDS", text("WORLDS", ",".join(WORLDS)), WORLDS),
            pairs=chosen("PAIRS", text("PAIRS", "all"), all_pairs, 2),
            unmerged=chosen("UNMERGED", text("UNMERGED", "usual"), lambda: USUALLY_UNMERGED, 2),
            triples=chosen("TRIPLES", text("TRIPLES", "all"), all_triples, 3),
            switches=int(text("SWITCHES", "3")),
            off=among("OFF", text("OFF", ""), GUARDS),
            crashes=environment.get("CRASHES") != "0",
            time_passes=environment.get("TIME") == "1",
        )


@dataclass
class Played:
    """What came of one world with these operations."""

    kind: str
    world: str
    operations: tuple[str, ...]
    places: int
    runs: int
    orders: int
    ends: set[str] = field(repr=False)
    steps: set[str] = field(repr=False)
    took_s: float
    wrong: list[str]
    story: list[str]

    @property
    def name(self) -> str:
        return f"{self.world}: {' + '.join(self.operations)}"


def play(
    kind: str,
    beginning: Any,
    operations: tuple[str, ...],
    *,
    merge: bool = True,
    **how: Any,
) -> Played:
    from tests.orders.play import SmallWorld

    began_s, runs = time.monotonic(), 0

    def begin() -> SmallWorld:
        nonlocal runs
        runs += 1
        return SmallWorld(beginning, operations, **how)

    places = explore(begin, merge=merge)
    broken = sorted((place for place in places if place.verdict), key=lambda p: len(p.path))
    return Played(
        kind=kind,
        world=beginning.world,
        operations=operations,
        places=len(places),
        runs=runs,
        orders=count_orders(places),
        ends=ends_of(places),
        steps=steps_of(places),
        took_s=time.monotonic() - began_s,
        wrong=sorted({wrong for place in broken for wrong in place.verdict}),
        story=tell(places[0], broken[0].path, broken[0].verdict) if broken else [],
    )


def count_orders(places: Sequence[Place]) -> int:
    """How many ways lead from the beginning to an end."""
    known: dict[int, int] = {}

    def ways(place: Place) -> int:
        if id(place) not in known:
            nexts = [there for _, there in place.next.values()]
            known[id(place)] = sum(map(ways, nexts)) if nexts else 1
        return known[id(place)]

    return ways(places[0])


def ends_of(places: Sequence[Place]) -> set[str]:
    """The ends: what the servers hold there, and who has which answer."""
    return {repr(place.state) for place in places if not place.actors}


def steps_of(places: Sequence[Place]) -> set[str]:
    """Everything that an actor ever saw in one turn."""
    return {f"{actor}: {step}" for place in places for actor, (step, _) in place.next.items()}


def tell(place: Place, path: Sequence[str], verdict: Sequence[str]) -> list[str]:
    """The story of one order, one line for each turn."""
    lines = []
    for actor in path:
        step, place = place.next[actor]
        lines.append(f"{actor}: {'; '.join(' '.join(map(str, seen)) for seen in step)}")
    return [*lines, *(f"WRONG: {wrong}" for wrong in verdict)]


def main(environment: Mapping[str, str]) -> int:
    from tests.orders.process import watch_servers
    from tests.orders.worlds import name_of

    CONNECTION_OPTIONS.update(socket_timeout=30.0, socket_connect_timeout=30.0)
    watch_servers(name_of)
    django.setup()
    from django.core.management import call_command

    from tests.orders import worlds
    from tests.orders.guards import switched_off

    began_s = time.monotonic()
    call_command("migrate", verbosity=0)
    worlds.make_hotel()
    say(f"servers are ready after {time.monotonic() - began_s:.1f} s")
    try:
        asked = Asked.read(environment)
        out = writable(Path(environment.get("OUT") or ROOT / "var" / "orders.json"))
    except NotKnown as error:
        say(str(error))
        return 2
    began_s = time.monotonic()
    played: list[Played] = []

    def keep(each: Played) -> None:
        """Tells what came of a world, and has the file say all that is known by now."""
        tell_of(each)
        played.append(each)
        report = report_of(played, asked.off, time.monotonic() - began_s)
        out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")

    with switched_off(asked.off):
        for world in asked.worlds:
            beginning = worlds.Beginning(world)
            for operations in asked.pairs:
                keep(
                    play(
                        "pairs",
                        beginning,
                        operations,
                        crashes=asked.crashes,
                        time_passes=asked.time_passes,
                    )
                )
            for operations in asked.unmerged:
                merged = play("merged", beginning, operations)
                alone = play("unmerged", beginning, operations, merge=False)
                for what in ("ends", "orders", "steps"):
                    if getattr(merged, what) != getattr(alone, what):
                        alone.wrong.append(f"merging equal places changes the {what}")
                keep(alone)
            for operations in asked.triples:
                keep(play("triples", beginning, operations, switches=asked.switches))
    say(table(played, time.monotonic() - began_s))
    broken = sorted((each for each in played if each.wrong), key=lambda each: len(each.story))
    if broken:
        say(f"\nThe shortest story of a broken promise, in {broken[0].name}:")
        say("\n".join([*broken[0].story, *broken[0].wrong]))
    return 1 if broken else 0


def report_of(played: Sequence[Played], off: Sequence[str], took_s: float) -> dict[str, Any]:
    """What the file says."""
    from tests.orders.process import stops, waits

    return {
        "took_s": round(took_s, 1),
        "off": off,
        "kinds": totals(played),
        "waits": sorted(waits.items()),
        "stops": sorted(stops.items()),
        "played": [
            {
                **vars(each),
                "ends": len(each.ends),
                "steps": len(each.steps),
                "took_s": round(each.took_s, 3),
            }
            for each in played
        ],
    }


def tell_of(each: Played) -> None:
    verdict = f"WRONG: {each.wrong[0]}" if each.wrong else "ok"
    say(
        f"{each.kind:8} {each.name:42} {each.orders:9} orders {each.places:5} places"
        f" {each.runs:5} runs {each.took_s:6.2f} s  {verdict[:150]}"
    )


def all_pairs() -> list[tuple[str, ...]]:
    from tests.orders.worlds import OPERATIONS

    return list(itertools.product(OPERATIONS, repeat=2))


def all_triples() -> list[tuple[str, ...]]:
    from tests.orders.worlds import OPERATIONS

    return list(itertools.combinations_with_replacement(OPERATIONS, 3))


USUALLY_UNMERGED: list[tuple[str, ...]] = [
    ("confirm", "sweep"),
    ("cancel", "extend"),
    ("cancel", "move"),
]


def writable(out: Path) -> Path:
    """The file, which can be written. Raises NotKnown."""
    try:
        out.parent.mkdir(exist_ok=True)
        out.touch()
    except OSError as error:
        said = f"Set OUT to a file that can be written, not {out} ({error.strerror})."
        raise NotKnown(said) from error
    return out


def chosen(
    name: str, text: str, every: Callable[[], list[tuple[str, ...]]], size: int
) -> list[tuple[str, ...]]:
    """What a variable chooses. Raises NotKnown."""
    from tests.orders.worlds import OPERATIONS

    if text == "none":
        return []
    if text in ("all", "usual"):
        return every()
    if re.fullmatch("1/[1-9][0-9]*", text):
        return every()[:: int(text.removeprefix("1/"))]
    wanted = [tuple(each.split("+")) for each in text.split(",")]
    for each in wanted:
        if len(each) != size or {*each} - {*OPERATIONS, "twice"}:
            example = "+".join(OPERATIONS[:size])
            raise NotKnown(
                f"Set {name} to all, none, 1/20 or such as {example}, not {text!r}; "
                f"the operations are {', '.join(OPERATIONS)}."
            )
    return wanted


def among(name: str, text: str, known: Iterable[str]) -> tuple[str, ...]:
    """The names in a list with commas. Raises NotKnown."""
    names = tuple(filter(None, text.split(",")))
    if {*names} - {*known}:
        raise NotKnown(f"Set {name} to some of {', '.join(known)}, not {text!r}.")
    return names


def totals(played: Iterable[Played]) -> dict[str, dict[str, float]]:
    sums: dict[str, Counter[str]] = {}
    for each in played:
        of_kind = sums.setdefault(each.kind, Counter())
        of_kind.update(
            worlds=1,
            orders=each.orders,
            places=each.places,
            runs=each.runs,
            broken=bool(each.wrong),
        )
        of_kind["took_ms"] += round(each.took_s * 1000)
    return {kind: dict(sum_of) for kind, sum_of in sums.items()}


def table(played: Sequence[Played], took_s: float) -> str:
    from tests.orders.process import waits

    lines = ["", f"{'':10}{'worlds':>8}{'orders':>14}{'places':>9}{'runs':>8}{'seconds':>9}"]
    for kind, of_kind in totals(played).items():
        lines.append(
            f"{kind:10}{of_kind['worlds']:8}{of_kind['orders']:14}{of_kind['places']:9}"
            f"{of_kind['runs']:8}{of_kind['took_ms'] / 1000:9.1f}"
        )
    lines += [f"all of it took {took_s:.1f} s", "", "Waits that cannot be interleaved:"]
    lines += [f"  {why}, {count} times" for why, count in sorted(waits.items())]
    return "\n".join(lines)

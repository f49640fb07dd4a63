"""Puts every order of small worlds into tables for docs/reliability.md:

    python -m torture.report.orders FILE... [--write docs/reliability.md]

Each file is what one `python -m tests.orders` wrote, all guards on or some off.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torture.report.page import begin_of, read_json, show
from torture.report.text import number, plural, table

COMMAND = "python -m torture.report.orders"
BEGIN = begin_of(COMMAND)

# What else a file says of how its orders were played.
HOW = {"pairs": "pairs, with a crash at each step", "unmerged": "pairs, no equal places merged"}


def read_files(files: Sequence[Path]) -> list[dict[str, Any]]:
    """What these files have. Raises NoFigures."""
    return [read_json(file, with_names=("off", "played", "took_s")) for file in files]


def to_tables(files: Sequence[Mapping[str, Any]]) -> str:
    """The Markdown that goes between the markers."""
    whole = [each for each in files if not each["off"]]
    played = [each for file in whole for each in file["played"]]
    broken = sum(bool(each["wrong"]) for each in played)
    found = f"a broken promise in {plural(broken, 'world')}" if broken else "no broken promise"
    parts = [
        f"{number(sum(each['orders'] for each in played))} orders in "
        f"{plural(round(sum(file['took_s'] for file in whole) / 60), 'minute')}: {found}.",
        _kinds_table(played),
    ]
    waits = Counter[str]()
    for file in whole:
        waits.update(dict(file["waits"]))
    if waits:
        parts += [
            "What cannot be interleaved, since a request waits for another one:",
            table(("wait", "times"), ((why, number(count)) for why, count in waits.items())),
        ]
    without = [each for each in files if each["off"]]
    if without:
        parts += ["Without a guard, the shortest story says:", _without_table(without)]
    return "\n\n".join(parts)


def _kinds_table(played: Sequence[Mapping[str, Any]]) -> str:
    kinds: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for each in played:
        kinds.setdefault((each["kind"], each["world"]), []).append(each)
    return table(
        ("played", "its hold is", "worlds", "orders", "places", "runs", "seconds"),
        (
            (
                HOW.get(kind, kind),
                world,
                len(worlds),
                *(number(sum(each[what] for each in worlds)) for what in ("orders", "places")),
                number(sum(each["runs"] for each in worlds)),
                f"{sum(each['took_s'] for each in worlds):.0f}",
            )
            for (kind, world), worlds in sorted(kinds.items())
        ),
    )


def _without_table(files: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for file in files:
        wrong = sorted(
            (each for each in file["played"] if each["wrong"]), key=lambda each: len(each["story"])
        )
        orders = number(sum(each["orders"] for each in file["played"]))
        first = " + ".join(wrong[0]["operations"]) if wrong else "–"
        said = wrong[0]["wrong"][0] if wrong else "**nothing**"
        rows.append((", ".join(file["off"]), first, said, orders))
    return table(("guard", "requests", "broken", "orders played"), rows)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0].rstrip(":"))
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    asked = parser.parse_args(argv)
    return show(lambda: to_tables(read_files(asked.files)), begin=BEGIN, page=asked.write)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

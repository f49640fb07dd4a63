"""What a run is asked to do: the variables of `make torture`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# No one else keeps anything here.
REPORTS = ROOT / "var" / "torture"

MOST = 1_000_000_000

VARIANTS = ("plain", "redlock", "sentinel")


class BadOption(Exception):
    """A variable cannot be used; the message says what to write instead."""


@dataclass(frozen=True)
class Options:
    """One run. The same seed and faults give the same schedule.

    It is rounds of `round_s`: a while with faults, then quiet, in which everything is checked.
    `faults` are names of kinds or of groups (torture/faults/__init__.py), `without` names of guards
    that are switched off (torture/guards.py). `release_before` is a folder with an earlier release,
    for deployments with both side by side.
    """

    seed: int
    minutes: float
    round_s: float
    clients: int
    faults: tuple[str, ...]
    variant: str
    without: tuple[str, ...]
    release_before: Path | None
    folder: Path


def read_options(environ: Mapping[str, str]) -> Options:
    """Reads the variables. Raises BadOption."""
    seed = _number(environ, "SEED", secrets.randbelow(1_000_000), least=0)
    variant = environ.get("VARIANT") or "plain"
    if variant not in VARIANTS:
        raise BadOption(f"Set VARIANT to one of {', '.join(VARIANTS)}, not {variant!r}.")
    before = environ.get("RELEASE_BEFORE")
    if before and not (Path(before) / "manage.py").is_file():
        raise BadOption(f"Set RELEASE_BEFORE to the folder of an earlier release, not {before!r}.")
    return Options(
        seed=int(seed),
        minutes=_number(environ, "MINUTES", 10, least=0.5),
        round_s=_number(environ, "ROUND_S", 60, least=10),
        clients=int(_number(environ, "CLIENTS", 20, least=1)),
        faults=_names(environ.get("FAULTS") or "all"),
        variant=variant,
        without=_names(environ.get("WITHOUT", "")),
        release_before=Path(before).resolve() if before else None,
        folder=Path(environ.get("OUT") or REPORTS / f"seed-{int(seed)}"),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _number(environ: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = environ.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    is_whole = name not in ("MINUTES", "ROUND_S")
    if not least <= number < MOST or (is_whole and number != int(number)):
        kind = "whole number" if is_whole else "number"
        raise BadOption(f"Set {name} to a {kind} from {least:g} to {MOST - 1:,}, not {text!r}.")
    return number


def environment_options() -> Options:
    """The options of this process's environment. Raises BadOption."""
    return read_options(os.environ)

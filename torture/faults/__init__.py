"""The faults of a run, by group: each module here is one group, and each function in it one fault.

A fault is a generator: it breaks something, yields while it lasts, and puts right what does not
come back by itself, in a `finally`. It gets the stack and its own dice, so that a seed repeats it.

With `yield 2.5` it is continued after 2.5 s, with a bare `yield` at the end of its time. At the end
all phases that are left are run through at once. It may return why it could not be had, such as a
point that no process met.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torture.stack import Stack

Phases = Generator[float | None, None, str | None]
Break = Callable[["Stack", random.Random], Phases]


@dataclass(frozen=True)
class Fault:
    """`name` is `group.kind`. It lasts between `least_s` and `most_s`.

    `touches` names what it works on; two faults that touch the same never overlap. `missing` says
    why this machine or variant cannot have it; "" if it can.
    """

    name: str
    run: Break
    least_s: float
    most_s: float
    touches: frozenset[str]
    missing: Callable[[Stack], str]

    @property
    def group(self) -> str:
        return self.name.partition(".")[0]


FAULTS: dict[str, Fault] = {}


def fault(
    group: str,
    kind: str | None = None,
    *,
    lasts_s: tuple[float, float],
    touches: tuple[str, ...],
    missing: Callable[[Stack], str] = lambda _: "",
) -> Callable[[Break], Break]:
    """Registers the function as a fault of this group, under its own name or `kind`."""

    def register(run: Break) -> Break:
        name = f"{group}.{kind or run.__name__}"
        FAULTS[name] = Fault(name, run, *lasts_s, frozenset(touches), missing)
        return run

    return register


class UnknownFault(Exception):
    """No fault or group has this name."""


def choose(names: tuple[str, ...]) -> list[Fault]:
    """The faults of these names or groups, sorted; `all` and `none` are names too.

    Raises UnknownFault.
    """
    # Each module registers its own.
    from torture.faults import (  # noqa: F401
        clocks,
        deployments,
        mongodb,
        outside,
        points,
        redis,
        site,
        worker,
    )

    groups = {each.group for each in FAULTS.values()}
    if not names or ("none" in names and len(names) > 1):
        raise UnknownFault("Set FAULTS to none alone, or to all or names of groups or faults.")
    chosen = set()
    for name in names:
        found = {each.name for each in FAULTS.values() if name in ("all", each.group, each.name)}
        if not found and name != "none":
            near = difflib.get_close_matches(name, [*sorted(groups), *sorted(FAULTS)], n=5)
            known = ", ".join(near or sorted(groups))
            raise UnknownFault(
                f"No fault is called {name!r}; set FAULTS to all, none, or such as {known}."
            )
        chosen |= found
    return [FAULTS[name] for name in sorted(chosen)]

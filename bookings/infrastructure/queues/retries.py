"""Schedules of retries: a wait after a failure that doubles with each further failure.

A queue counts an item's tries in MongoDB, and sets the time of the next try by MongoDB's clock in
the update that takes the item. So a schedule consists of expressions for an update pipeline. Each
queue states its own figures, with the reasons.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Schedule:
    """Waits `first_wait_ms` after the first failure, and twice as long after each further one, up
    to `longest_wait_ms`. Gives the item up after `max_tries` failures."""

    first_wait_ms: int
    longest_wait_ms: int
    max_tries: int

    def __post_init__(self) -> None:
        if not 0 < self.first_wait_ms <= self.longest_wait_ms:
            raise ValueError("Set a first wait above zero, and no longer than the longest one.")
        if self.max_tries < 1:
            raise ValueError("Allow at least one try.")

    def wait_ms(self, *, earlier_failures: Any) -> dict[str, Any]:
        """An expression for the milliseconds, a whole number, until the try after this one.

        `earlier_failures` is an expression for the item's failures before this try.
        """
        doubled = {"$multiply": [self.first_wait_ms, {"$pow": [2, earlier_failures]}]}
        return {"$min": [doubled, self.longest_wait_ms]}

    def is_last(self, tries: int) -> bool:
        """Whether the item is given up if try number `tries` fails, too."""
        return tries >= self.max_tries

    def is_spent(self, failures: Any) -> dict[str, Any]:
        """The same as an expression; `failures` is an expression for the failures or tries."""
        return {"$gte": [failures, self.max_tries]}


def counted(field: str) -> dict[str, Any]:
    """An expression for the number in a field, or 0 if the field is damaged or missing.

    Without it one damaged item, which could not be taken, would block all others.
    """
    return {"$cond": [{"$in": [{"$type": field}, ["int", "long"]]}, field, 0]}

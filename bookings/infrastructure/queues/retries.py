"""When work that failed is tried again: after a while, and twice as long after each failure.

A queue counts an item's tries in MongoDB and sets the next one by MongoDB's clock, in the update
that takes the item. So a schedule is written as expressions for the pipeline of an update. Each
queue says its own figures, and why, beside its work.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Schedule:
    """The first failure is followed by `first_wait_ms`, each further one by twice as long as the
    one before, up to `longest_wait_ms`. After `max_tries` failures the item is given up."""

    first_wait_ms: int
    longest_wait_ms: int
    max_tries: int

    def __post_init__(self) -> None:
        if not 0 < self.first_wait_ms <= self.longest_wait_ms:
            raise ValueError("A first wait is above zero and no longer than the longest one.")
        if self.max_tries < 1:
            raise ValueError("Work is tried once at least.")

    def wait_ms(self, *, earlier_failures: Any) -> dict[str, Any]:
        """Milliseconds, as a whole number, until the try after this one.

        `earlier_failures` is an expression: how often the item failed before this try.
        """
        doubled = {"$multiply": [self.first_wait_ms, {"$pow": [2, earlier_failures]}]}
        return {"$min": [doubled, self.longest_wait_ms]}

    def is_last(self, tries: int) -> bool:
        """Whether an item with so many tries, if the newest fails too, is given up."""
        return tries >= self.max_tries

    def is_spent(self, failures: Any) -> dict[str, Any]:
        """The same as an expression, of an expression for how many tries or failures there were."""
        return {"$gte": [failures, self.max_tries]}


def counted(field: str) -> dict[str, Any]:
    """How much a field counts, as an expression: its number, or 0 if it is damaged or missing.
    An item that cannot be taken would be in the way of all others."""
    return {"$cond": [{"$in": [{"$type": field}, ["int", "long"]]}, field, 0]}

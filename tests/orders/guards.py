"""Takes guards out, only in the own process and the throw-away database of `tests.orders`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest import mock

from bookings.stays import keyed_change, lately_sold
from bookings.stays.writing import versioned
from tests.scenarios.guards import SWITCHES


@contextmanager
def _without_compare() -> Iterator[None]:
    """A change is written whatever has happened since the booking was read."""

    def versioned_without(write: Any) -> tuple[Mapping[str, Any], Any]:
        _, update = real(write)
        return {"$and": [write.condition]}, update

    real = versioned._versioned
    with mock.patch.object(versioned, "_versioned", versioned_without):
        yield


@contextmanager
def _without_history() -> Iterator[None]:
    """No one looks in the history for the answer of a change."""
    with mock.patch.object(keyed_change, "_acknowledged", return_value=None):
        yield


GUARDS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    **SWITCHES,
    "compare": _without_compare,
    "history": _without_history,
}


@contextmanager
def switched_off(guards: tuple[str, ...]) -> Iterator[None]:
    """Without these guards. Each request stands for a process of its own, and does not know what
    another one has just sold."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(lately_sold, "any_of", return_value=False))
        for guard in guards:
            stack.enter_context(GUARDS[guard]())
        yield

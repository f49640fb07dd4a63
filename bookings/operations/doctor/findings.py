"""The result of a check."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One line: `text` says what was found and, if it is bad, what to do about it."""

    level: Literal["ok", "warn", "FAIL"]
    text: str


def ok(text: str) -> Finding:
    """The check found nothing wrong."""
    return Finding("ok", text)


def warn(text: str) -> Finding:
    """Bookings are right, but something else is not."""
    return Finding("warn", text)


def fail(text: str) -> Finding:
    """A promise is broken, or nothing guards it."""
    return Finding("FAIL", text)

"""What a check comes to."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """`text` says what was found and, if it is bad, what to do about it; one line."""

    level: Literal["ok", "warn", "FAIL"]
    text: str


def ok(text: str) -> Finding:
    return Finding("ok", text)


def warn(text: str) -> Finding:
    """Bookings are right, but something is not as it should be."""
    return Finding("warn", text)


def fail(text: str) -> Finding:
    """A promise is broken, or nothing keeps it from being broken."""
    return Finding("FAIL", text)

"""Watches every test for writes to `bookings` that go past their only writer.

A look at the source misses a collection that came through a variable. This looks at what is sent:
the code nearest to a write must be one of those below.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pymongo import monitoring

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, TESTS = str(ROOT / "bookings"), str(ROOT / "tests")

# A restored database gets its documents as they were, and migrations run before the site does.
WRITERS = tuple(
    str(ROOT / "bookings" / part)
    for part in ("stays/writing/", "operations/backups/restoring.py", "migrations/")
)
WRITES = frozenset({"insert", "update", "delete", "findAndModify", "bulkWrite"})


class OnlyWriter(monitoring.CommandListener):
    """Collects where else the site wrote, since pymongo swallows what a listener raises."""

    def __init__(self) -> None:
        self.others: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in WRITES and event.command[event.command_name] == "bookings":
            self._look_at_the_writer()

    def _look_at_the_writer(self) -> None:
        frame = sys._getframe(2)
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(TESTS):
                return
            if path.startswith(PACKAGE):
                if not path.startswith(WRITERS):
                    self.others.append(f"{path}:{frame.f_lineno} {frame.f_code.co_name}")
                return
            frame = frame.f_back  # type: ignore[assignment]

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


only_writer = OnlyWriter()

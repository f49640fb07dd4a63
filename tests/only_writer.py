"""Watches every test for writes to `bookings` outside their only writer.

Reading the source misses a collection that comes through a variable. This plugin looks at the
commands that are sent: the code nearest to a write must be on the list below.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pymongo import monitoring

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, TESTS = str(ROOT / "bookings"), str(ROOT / "tests")

# A restore writes documents as they were, and migrations run before the site does.
WRITERS = tuple(
    str(ROOT / "bookings" / part)
    for part in ("stays/writing/", "operations/backups/restoring.py", "migrations/")
)
WRITES = frozenset({"insert", "update", "delete", "findAndModify", "bulkWrite"})


class OnlyWriter(monitoring.CommandListener):
    """Collects writes from elsewhere, since pymongo swallows a listener's exceptions."""

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

"""Watches the process of the tests for writes to `bookings` outside their only writer.

Reading the source misses a collection that comes through a variable. This plugin looks at the
commands that are sent: the code nearest to a write must be on the list below. It does not see what
processes of their own write; tests of the source see those.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymongo import monitoring

ROOT = Path(__file__).resolve().parents[1]
SITE = tuple(
    f"{ROOT / package}/" for package in ("bookings", "bookingsite", "idempotency", "locks")
)
TESTS = f"{ROOT / 'tests'}/"

# A restore writes documents as they were, and migrations run before the site does.
WRITERS = tuple(
    str(ROOT / "bookings" / part)
    for part in ("stays/writing/", "operations/backups/restoring.py", "migrations/")
)
# A command writes to the collection that stands under its own name, or to those of `nsInfo`, or as
# the last stage of a pipeline.
WRITES = frozenset({"insert", "update", "delete", "findAndModify"})
STAGES = ("$merge", "$out")


def writes_bookings(command: Mapping[str, Any], name: str) -> bool:
    """Whether this command writes to a collection named `bookings`."""
    if name in WRITES:
        return command[name] == "bookings"
    if name == "bulkWrite":
        return any(each["ns"].endswith(".bookings") for each in command["nsInfo"])
    if name == "aggregate" and command["pipeline"]:
        last = command["pipeline"][-1]
        return any(re.search(r"^bookings$|'bookings'", str(last.get(stage))) for stage in STAGES)
    return False


class OnlyWriter(monitoring.CommandListener):
    """Collects writes from elsewhere, since pymongo swallows a listener's exceptions."""

    def __init__(self) -> None:
        self.others: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if writes_bookings(event.command, event.command_name):
            self._look_at_the_writer()

    def _look_at_the_writer(self) -> None:
        frame = sys._getframe(2)
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(TESTS):
                return
            if path.startswith(SITE):
                if not path.startswith(WRITERS):
                    self.others.append(f"{path}:{frame.f_lineno} {frame.f_code.co_name}")
                return
            frame = frame.f_back  # type: ignore[assignment]
        self.others.append("a thread without any code of the site")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


only_writer = OnlyWriter()

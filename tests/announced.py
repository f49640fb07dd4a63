"""Watches the process of the tests for changes of what processes keep that no one announces.

A change that a test makes by itself is announced for it. One that the site makes has to be
announced by the site, before the test ends.
"""

from __future__ import annotations

import sys

from pymongo import monitoring

from tests.only_writer import SITE, TESTS, WRITES

KEPT = (
    *("hotels", "room_categories", "rooms", "nights", "api_clients", "api_tokens"),
    *("hotel_contents", "category_contents", "photos", "brands"),
)

# An inserted token was known to no one, and migrations run before the site does.
ALLOWED = (
    *("issue_token", "migrations/", "bookingsite/database/schema.py"),
    "operations/backups/restoring.py",
    # Of photos that no guest sees.
    *(" change_unseen", " _insert_unseen", "photos/conversion.py:"),
)


class Announced(monitoring.CommandListener):
    """Collects writes of the site after which nothing was announced."""

    def __init__(self) -> None:
        self.open: dict[str, object] = {}
        self._writing: set[int] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        name = event.command_name
        if name in WRITES and event.command[name] in KEPT:
            self._writing.add(event.request_id)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if event.request_id not in self._writing:
            return
        self._writing.discard(event.request_id)
        from bookings.infrastructure import recent_reads

        writer = self._writer()
        if writer is None:
            recent_reads.announce_change()
        elif not any(part in writer for part in ALLOWED):
            self.open[writer] = recent_reads._last_change

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._writing.discard(event.request_id)

    def unannounced(self) -> list[str]:
        """The site's writes since the last call after which it announced nothing."""
        from bookings.infrastructure import recent_reads

        writes, self.open = self.open, {}
        return [each for each, change in writes.items() if change is recent_reads._last_change]

    def _writer(self) -> str | None:
        """The line of the site that writes; None if a test writes by itself."""
        frame = sys._getframe(2)
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(SITE):
                return f"{path}:{frame.f_lineno} {frame.f_code.co_name}"
            if path.startswith(TESTS):
                return None
            frame = frame.f_back  # type: ignore[assignment]
        return "a thread without any code of the site"


announced = Announced()

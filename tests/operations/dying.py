"""Migrates again and again, and receives a signal before a different write each time.

A line of its input says which write (0 for none), which signal, and which process (0 for its own).
A line of its output says how that time ended: the signal that killed it, negative, or the status of
`manage.py migrate`. Each time is a process forked from here, since starting Python and Django takes
longer than migrating does.
"""

from __future__ import annotations

import os
import sys

import django
from django.core.management import CommandError, call_command
from pymongo import monitoring

WRITES = frozenset(
    {
        *("create", "createIndexes", "drop", "dropIndexes", "renameCollection"),
        *("insert", "update", "delete", "findAndModify"),
    }
)


class Fate(monitoring.CommandListener):
    """Sends the signal when this process is about to send the write of that number."""

    def __init__(self, write: int, number: int, pid: int) -> None:
        self.left, self.number, self.pid = write, number, pid or os.getpid()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name not in WRITES or _is_of_the_lease(event):
            return
        self.left -= 1
        if self.left == 0:
            os.kill(self.pid, self.number)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Completed writes stay."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """The command reports it itself."""


def _is_of_the_lease(event: monitoring.CommandStartedEvent) -> bool:
    """The clock renews the lease, which would change the count each time."""
    return "migration_lease" in (event.command.get("update"), event.command.get("findAndModify"))


def _migrate(write: int, number: int, pid: int) -> int:
    monitoring.register(Fate(write, number, pid))
    try:
        call_command("migrate", verbosity=0)
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return error.returncode
    return 0


def main() -> None:
    django.setup()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                status = _migrate(*map(int, line.split()))
            finally:  # the child must not continue as its parent
                os._exit(status)
        _, ended = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(ended)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

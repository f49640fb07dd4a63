"""Errors of locks.

LockError
├── LockBusy   another owner holds at least one of the names
└── LockLost   the lock expired or was broken while its owner still needed it
"""


class LockError(Exception):
    """The lock cannot be acquired or kept."""


class LockBusy(LockError):
    """Another owner holds at least one of the names; `name` is one of those."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


class LockLost(LockError):
    """The lock expired or was broken while its owner still needed it."""

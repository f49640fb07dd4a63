"""What can go wrong with a lock.

LockError
├── LockBusy   somebody else holds at least one of the names
└── LockLost   the lock ran out, or was broken, while its holder still needed it
"""


class LockError(Exception):
    """The lock cannot be had or kept."""


class LockBusy(LockError):
    """Somebody else holds at least one of the names; `name` is one that they hold."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


class LockLost(LockError):
    """The lock ran out, or was broken, while its holder still needed it."""

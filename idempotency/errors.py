"""What can be wrong with an idempotency key.

IdempotencyError
├── InvalidKey   the header is not one key of the accepted form
└── InProgress   somebody is at work on this key; ask again later
"""


class IdempotencyError(Exception):
    """The key cannot be used now."""


class InvalidKey(IdempotencyError):
    """Send one Idempotency-Key of 1 to 255 visible ASCII characters, bare or in double quotes."""


class InProgress(IdempotencyError):
    """A request with this key is being worked on; retry with the same key."""

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__(self.__doc__)
        self.retry_after_s = retry_after_s

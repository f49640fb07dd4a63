"""What can be wrong with an idempotency key.

IdempotencyError
├── InvalidKey      the header is not one key of the accepted form
├── UnknownCaller   an operator asked for the key of a caller that there is not
└── InProgress      another request is at work on this key; ask again later
"""


class IdempotencyError(Exception):
    """The key cannot be used now."""


class InvalidKey(IdempotencyError):
    """Send one Idempotency-Key of 1 to 255 visible ASCII characters, bare or in double quotes."""


class UnknownCaller(IdempotencyError):
    """There is no such caller."""

    def __init__(self, caller: str) -> None:
        super().__init__(
            f"There is no caller {caller!r}; write client:NAME, user:NAME, or an id for the name."
        )


class InProgress(IdempotencyError):
    """Your first request with this key is still being processed; retry with the same key."""

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__(self.__doc__)
        self.retry_after_s = retry_after_s

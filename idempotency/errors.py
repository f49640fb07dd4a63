"""Errors of idempotency keys.

IdempotencyError
├── InvalidKey      the header is not a single key of the accepted form
├── UnknownCaller   an operator named a caller that does not exist
└── InProgress      another request holds the claim on this key; retry later
"""


class IdempotencyError(Exception):
    """The key cannot be used now."""


class InvalidKey(IdempotencyError):
    """Send one Idempotency-Key of 1 to 255 visible ASCII characters, bare or in double quotes."""


class UnknownCaller(IdempotencyError):
    """An operator named a caller that does not exist."""

    def __init__(self, caller: str) -> None:
        super().__init__(
            f"There is no caller {caller!r}; write client:NAME, user:NAME or guest:ID; an id may "
            "replace the name."
        )


class InProgress(IdempotencyError):
    """Your first request with this key is still being processed; retry with the same key."""

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__(self.__doc__)
        self.retry_after_s = retry_after_s

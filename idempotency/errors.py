"""Errors of idempotency keys. Each names the status and the code of its answer.

IdempotencyError
├── InvalidKey       the header is not a single key of the accepted form
├── MissingKey       there is no header, and no key is derived
├── NoCaller         no one is logged in, and a key belongs to its caller
├── InProgress       another request holds the claim on this key; retry later
├── PayloadMismatch  the key came with another payload before
├── NotKnown         Redis is down, and nothing else knows whether the key was used
└── UnknownCaller    an operator named a caller that does not exist
"""


class IdempotencyError(Exception):
    """The key cannot be used now."""

    status = 400
    code = "IDEMPOTENCY_ERROR"
    retry_after_s: int | None = None

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.__doc__)


class InvalidKey(IdempotencyError):
    """Send one Idempotency-Key of 1 to 255 visible ASCII characters, bare or in double quotes."""

    code = "INVALID_IDEMPOTENCY_KEY"


class MissingKey(IdempotencyError):
    """Send an Idempotency-Key, so that this request can be repeated safely."""

    code = "MISSING_IDEMPOTENCY_KEY"


class NoCaller(IdempotencyError):
    """Log in first: an Idempotency-Key belongs to its caller."""

    status = 401
    code = "NOT_AUTHENTICATED"


class UnknownCaller(IdempotencyError):
    """An operator named a caller that does not exist."""

    def __init__(self, caller: str, how: str) -> None:
        super().__init__(f"There is no caller {caller!r}; {how}.")


class InProgress(IdempotencyError):
    """Your first request with this key is still being processed; retry with the same key."""

    status = 409
    code = "IDEMPOTENCY_IN_PROGRESS"

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class PayloadMismatch(IdempotencyError):
    """This key came with another payload before; use a new key for a new wish."""

    status = 422
    code = "IDEMPOTENCY_KEY_REUSED"


class NotKnown(IdempotencyError):
    """Nothing was done: the site cannot tell now whether this key was used. Retry with the key."""

    status = 503
    code = "TRY_AGAIN"
    retry_after_s = 1

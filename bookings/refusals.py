"""Every refusal the booking engine gives: its code, status and sentence.

A refusal is expected and named; anything else is a surprise and propagates. The docstring is
the sentence people read; `code` is stable and for machines. `is_definite` marks what is
kept under the key (see the table in docs/sequence.md): all others may turn out differently
when the same key tries again.
"""

from dataclasses import dataclass
from typing import Any


class Refusal(Exception):
    """The request was refused."""

    code = "REFUSED"
    status = 409
    title = "Refused"
    is_definite = False
    # When it is worth asking again with the same key, in seconds; None where time changes nothing.
    retry_after_s: int | None = None

    def __init__(self, detail: str | None = None, *, retry_after_s: int | None = None) -> None:
        self.detail = detail or " ".join((self.__doc__ or "").split())
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s
        super().__init__(self.detail)

    def extra(self) -> dict[str, Any]:
        """Members this refusal adds to its problem document."""
        return {}


class AlreadyBooked(Refusal):
    """This room is already booked for these dates; choose another room or other dates."""

    code = "ALREADY_BOOKED"
    title = "Already booked"
    is_definite = True


class SoldOut(Refusal):
    """Too few rooms of this kind are free on all these nights; choose another or other dates."""

    code = "SOLD_OUT"
    title = "Sold out"
    is_definite = True


class IdempotencyInProgress(Refusal):
    """A request with this key is being worked on; retry with the same key."""

    code = "IDEMPOTENCY_IN_PROGRESS"
    title = "In progress"
    retry_after_s = 1


class ResourceLocked(Refusal):
    """Somebody else is booking this room right now; retry in a moment."""

    code = "RESOURCE_LOCKED"
    title = "Room locked"
    retry_after_s = 1


class HoldExpired(Refusal):
    """This hold has run out; make a new booking."""

    code = "HOLD_EXPIRED"
    title = "Hold expired"


class KeyMismatch(Refusal):
    """Confirm with the Idempotency-Key that the booking was made with."""

    code = "KEY_MISMATCH"
    title = "Another key"


class PriceChanged(Refusal):
    """The price has changed since it was quoted."""

    code = "PRICE_CHANGED"
    title = "Price changed"

    def __init__(self, detail: str | None = None, *, booking: dict[str, Any] | None = None) -> None:
        """`booking` is what would be confirmed, where it is another than was seen."""
        self.booking = booking
        super().__init__(detail)

    def extra(self) -> dict[str, Any]:
        return {"booking": self.booking} if self.booking else {}


class NotCancellable(Refusal):
    """This booking can no longer be cancelled."""

    code = "NOT_CANCELLABLE"
    title = "Not cancellable"


class ExtensionLimit(Refusal):
    """This hold cannot be extended any more; confirm it or let it run out."""

    code = "EXTENSION_LIMIT"
    title = "Extended enough"


class HeldLongEnough(Refusal):
    """Extending now would not move this hold's end; confirm it, or extend it nearer its end."""

    code = "HELD_LONG_ENOUGH"
    title = "Held long enough"


class TooManyHolds(Refusal):
    """Too many rooms are held already; confirm or cancel a hold first."""

    code = "TOO_MANY_HOLDS"
    title = "Too many holds"


class TooManyNightsHeld(Refusal):
    """More room-nights than may be held at a time; confirm a hold, take fewer, or ask the hotel."""

    code = "TOO_MANY_NIGHTS_HELD"
    title = "Too many nights held"


class EmailNeeded(Refusal):
    """Many of these rooms are on hold; confirm an e-mail address, log in, or ask the hotel."""

    code = "EMAIL_NEEDED"
    title = "E-mail address needed"


class KeyReused(Refusal):
    """This Idempotency-Key was used with another payload; use a new key."""

    code = "IDEMPOTENCY_KEY_REUSED"
    status = 422
    title = "Key reused"


@dataclass(frozen=True)
class Fault:
    """What is wrong with one field, in a sentence.

    `field` is called as in the API, or as in staff's form where only that has it; it is empty if
    the fault is of no single field.
    """

    field: str
    message: str


class ValidationFailed(Refusal):
    """Some fields are not acceptable."""

    code = "VALIDATION_ERROR"
    status = 400
    title = "Invalid request"

    # Whoever sends thousands of wrong fields need not be told of each.
    MAX_ERRORS = 20

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults[: self.MAX_ERRORS]
        told = "; ".join(f"{fault.field}: {fault.message.rstrip('.')}" for fault in self.faults)
        super().__init__(f"{told}.")

    def extra(self) -> dict[str, Any]:
        """The member `errors` of the answer."""
        return {
            "errors": [{"field": fault.field, "message": fault.message} for fault in self.faults]
        }


class InvalidIdempotencyKey(Refusal):
    """Send one Idempotency-Key of 1 to 255 visible ASCII characters, bare or in double quotes."""

    code = "INVALID_IDEMPOTENCY_KEY"
    status = 400
    title = "Invalid key"


class MalformedJson(Refusal):
    """The body is not a JSON object in UTF-8."""

    code = "MALFORMED_JSON"
    status = 400
    title = "Malformed JSON"


class UnreadableRequest(Refusal):
    """This is not HTTP as this site speaks it; look at the request line and the headers."""

    code = "UNREADABLE_REQUEST"
    status = 400
    title = "Unreadable request"


class NotAuthenticated(Refusal):
    """Send a valid token in the Authorization header, or log in."""

    code = "NOT_AUTHENTICATED"
    status = 401
    title = "Not authenticated"


class PermissionDenied(Refusal):
    """You may not do this."""

    code = "PERMISSION_DENIED"
    status = 403
    title = "Permission denied"


class NotFound(Refusal):
    """There is nothing at this address that you can see."""

    code = "NOT_FOUND"
    status = 404
    title = "Not found"


class MethodNotAllowed(Refusal):
    """This address does not take this method."""

    code = "METHOD_NOT_ALLOWED"
    status = 405
    title = "Method not allowed"


class NotAcceptable(Refusal):
    """Answers here are application/json; accept that."""

    code = "NOT_ACCEPTABLE"
    status = 406
    title = "Not acceptable"


class RequestTimeout(Refusal):
    """The request did not arrive in time; send it again with the same key."""

    code = "REQUEST_TIMEOUT"
    status = 408
    title = "Too slow"


class PayloadTooLarge(Refusal):
    """The body is larger than this address takes; send at most 64 kB."""

    code = "PAYLOAD_TOO_LARGE"
    status = 413
    title = "Payload too large"


class UnsupportedMediaType(Refusal):
    """Send the body as application/json."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415
    title = "Unsupported media type"


class Throttled(Refusal):
    """Too many requests; wait before the next one."""

    code = "THROTTLED"
    status = 429
    title = "Throttled"


class ServerError(Refusal):
    """Something went wrong here; retry with the same key."""

    code = "SERVER_ERROR"
    status = 500
    title = "Server error"


class TryAgain(Refusal):
    """The booking system cannot answer just now; retry with the same key."""

    code = "TRY_AGAIN"
    status = 503
    title = "Try again"
    retry_after_s = 2

"""Every refusal the booking engine gives: its code, status and sentence.

Refusals are expected and named; anything else is a surprise and propagates. The docstring is the
sentence that people read; `code` is stable and for machines. `is_definite` marks the refusals that
are kept under the key (see the table in docs/sequence.md): with all others, a repeated key may get
another answer.
"""

from dataclasses import dataclass
from typing import Any


class Refusal(Exception):
    """The request was refused."""

    code = "REFUSED"
    status = 409
    title = "Refused"
    is_definite = False
    # Seconds until a retry with the same key is worthwhile; None if waiting changes nothing.
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
    """Too few rooms of this kind are free on all nights; choose another kind or other dates."""

    code = "SOLD_OUT"
    title = "Sold out"
    is_definite = True


class IdempotencyInProgress(Refusal):
    """Your first request with this key is still being processed; retry with the same key."""

    code = "IDEMPOTENCY_IN_PROGRESS"
    title = "In progress"
    retry_after_s = 1


class ResourceLocked(Refusal):
    """Someone else is booking this room right now; retry in a moment."""

    code = "RESOURCE_LOCKED"
    title = "Room locked"
    retry_after_s = 1


class HoldExpired(Refusal):
    """This hold has run out; make a new booking."""

    code = "HOLD_EXPIRED"
    title = "Hold expired"


class KeyMismatch(Refusal):
    """Confirm with the Idempotency-Key that made this hold."""

    code = "KEY_MISMATCH"
    title = "Different key"


class PriceChanged(Refusal):
    """The price has changed since you quoted it; send the new one if you agree."""

    code = "PRICE_CHANGED"
    title = "Price changed"

    def __init__(
        self,
        detail: str | None = None,
        *,
        booking: dict[str, Any] | None = None,
        price: dict[str, Any] | None = None,
    ) -> None:
        """`booking` is the stay that would be confirmed, if it differs from the one seen. `price`
        is what a changed stay would cost now."""
        self.booking = booking
        self.price = price
        super().__init__(detail)

    def extra(self) -> dict[str, Any]:
        members = {"booking": self.booking, "price": self.price}
        return {name: value for name, value in members.items() if value}


class NotCancellable(Refusal):
    """This booking can no longer be cancelled."""

    code = "NOT_CANCELLABLE"
    title = "Not cancellable"


class NotChangeable(Refusal):
    """This booking can no longer be changed here; ask the hotel."""

    code = "NOT_CHANGEABLE"
    title = "Not changeable"

    def __init__(self, detail: str | None = None, *, why: str = "") -> None:
        """`why` names the reason for the pages, which have a sentence of their own for it."""
        self.why = why
        super().__init__(detail)


class ExtensionLimit(Refusal):
    """This hold cannot be extended again; confirm it or let it run out."""

    code = "EXTENSION_LIMIT"
    title = "Extension limit reached"


class HeldLongEnough(Refusal):
    """Extending now would not move this hold's end; confirm it, or extend it closer to its end."""

    code = "HELD_LONG_ENOUGH"
    title = "Held long enough"


class TooManyHolds(Refusal):
    """Too many rooms are on hold already; confirm or cancel a hold first."""

    code = "TOO_MANY_HOLDS"
    title = "Too many holds"


class TooManyNightsHeld(Refusal):
    """Too many room-nights would be on hold; confirm a hold, take fewer, or ask the hotel."""

    code = "TOO_MANY_NIGHTS_HELD"
    title = "Too many nights held"


class EmailNeeded(Refusal):
    """Many of these rooms are on hold; confirm an e-mail address, log in, or ask the hotel."""

    code = "EMAIL_NEEDED"
    title = "E-mail address needed"


class KeyReused(Refusal):
    """This Idempotency-Key was used with a different payload; use a new key."""

    code = "IDEMPOTENCY_KEY_REUSED"
    status = 422
    title = "Key reused"


@dataclass(frozen=True)
class Fault:
    """What is wrong with one field, in a sentence.

    `field` has the API's name, or that of the staff form if only the form has the field. It is
    empty if the fault concerns no single field.
    """

    field: str
    message: str


class ValidationFailed(Refusal):
    """Some fields are invalid; fix the fields listed in `errors`."""

    code = "VALIDATION_ERROR"
    status = 400
    title = "Invalid request"

    # A request with thousands of wrong fields need not hear about each of them.
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
    """The body is not a JSON object in UTF-8; send one."""

    code = "MALFORMED_JSON"
    status = 400
    title = "Malformed JSON"


class UnreadableRequest(Refusal):
    """This site cannot read the request as HTTP; check the request line and the headers."""

    code = "UNREADABLE_REQUEST"
    status = 400
    title = "Unreadable request"

    def __init__(self, detail: str | None = None, *, status: int = status) -> None:
        super().__init__(detail)
        self.status = status


class NotAuthenticated(Refusal):
    """Send a valid token in the Authorization header, or log in."""

    code = "NOT_AUTHENTICATED"
    status = 401
    title = "Not authenticated"


class PermissionDenied(Refusal):
    """You are not allowed to do this."""

    code = "PERMISSION_DENIED"
    status = 403
    title = "Permission denied"


class NotFound(Refusal):
    """Nothing exists at this URL, or you are not allowed to see it."""

    code = "NOT_FOUND"
    status = 404
    title = "Not found"


class MethodNotAllowed(Refusal):
    """This URL does not accept this method; see the Allow header."""

    code = "METHOD_NOT_ALLOWED"
    status = 405
    title = "Method not allowed"


class NotAcceptable(Refusal):
    """All answers here are application/json; accept that media type."""

    code = "NOT_ACCEPTABLE"
    status = 406
    title = "Not acceptable"


class RequestTimeout(Refusal):
    """The request did not arrive in time; send it again with the same key."""

    code = "REQUEST_TIMEOUT"
    status = 408
    title = "Too slow"


class PayloadTooLarge(Refusal):
    """The body is too large; send at most 64 kB."""

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
    """The booking system cannot answer right now; retry with the same key."""

    code = "TRY_AGAIN"
    status = 503
    title = "Try again"
    retry_after_s = 2

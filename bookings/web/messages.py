"""What people read for each code: what happened, and what to do next."""

from collections.abc import Iterable, Mapping

# Plain text. A page may put the room and the night in front of it, so no sentence names them.
SENTENCES = {
    "REFUSED": "This was refused. Look at what is shown below and try again.",
    "ALREADY_BOOKED": "It is already taken for that night. Choose another room or another date.",
    "SOLD_OUT": "Everything is booked for these dates. Choose another date.",
    "IDEMPOTENCY_IN_PROGRESS": (
        "It is being booked for you this second. If it is not among your bookings yet, "
        "press Book again: it will be booked only once."
    ),
    "RESOURCE_LOCKED": (
        "Somebody is booking it this very second, and may yet give up. "
        "Nothing was booked for you. Press Book again in a moment."
    ),
    "HOLD_EXPIRED": "The hold on it has run out. Book it again if it is still free.",
    "KEY_MISMATCH": "This hold was made in another way, and is confirmed where it was made.",
    "PRICE_CHANGED": (
        "Its price has changed since you opened the page. Nothing was booked. "
        "Look at the new price, and press Book if you agree."
    ),
    "NOT_CANCELLABLE": (
        "This booking can no longer be cancelled here. Please speak with the hotel."
    ),
    "EXTENSION_LIMIT": "This hold cannot be made any longer. Confirm it, or let it run out.",
    "TOO_MANY_HOLDS": "You hold too many rooms. Confirm or cancel one of them first.",
    "IDEMPOTENCY_KEY_REUSED": "This form was used before. Press Book again to book anew.",
    "VALIDATION_ERROR": "Something in the form is not right.",
    "INVALID_IDEMPOTENCY_KEY": "This form is damaged. Open the page anew and try again.",
    "MALFORMED_JSON": "The form could not be read. Open the page anew and try again.",
    "NOT_AUTHENTICATED": "Log in first, then try again.",
    "PERMISSION_DENIED": "You may not do this with your login. Log in as somebody who may.",
    "NOT_FOUND": "There is nothing here that you can see. Look among your bookings.",
    "METHOD_NOT_ALLOWED": "This cannot be done here. Go back to the first page.",
    "NOT_ACCEPTABLE": "This cannot be shown as asked for. Go back to the first page.",
    "PAYLOAD_TOO_LARGE": "That was too much text. Shorten it and try again.",
    "UNSUPPORTED_MEDIA_TYPE": "The form could not be read. Open the page anew and try again.",
    "THROTTLED": "That was a lot at once. Wait a minute, then try again.",
    "SERVER_ERROR": (
        "Something went wrong here. Look at your bookings before you try again; "
        "the same form books only once."
    ),
    "TRY_AGAIN": (
        "The booking system could not answer just now. Press Book again in a few seconds: "
        "it will be booked only once."
    ),
}

# For what is the same code in the API and another thing to do for a person.
CANCEL_SENTENCES = {
    "IDEMPOTENCY_IN_PROGRESS": "It is being cancelled this second. Open the page again to see it.",
    "RESOURCE_LOCKED": "Something else is being done with it this second. Press Cancel again.",
    "TRY_AGAIN": (
        "The booking system could not answer just now. "
        "Press Cancel again in a few seconds; twice does no harm."
    ),
}

CANCELLED_SINCE = (
    "This form booked it before, and that booking has been cancelled since. "
    "Press Book again to book it anew."
)


def explain(
    code: str, errors: Iterable[Mapping[str, str]] = (), *, cancelling: bool = False
) -> str:
    """The sentence for a refusal's code, followed by what is wrong with each field."""
    sentence = (cancelling and CANCEL_SENTENCES.get(code)) or SENTENCES[code]
    return " ".join([sentence, *(error["message"] for error in errors)])

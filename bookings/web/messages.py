"""What people read for each code: what happened, and what to do next."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Whoever asks again with the same form may be told something else in a moment.
PASSING_CODES = ("IDEMPOTENCY_IN_PROGRESS", "TRY_AGAIN")

SENTENCES: dict[str, Promise] = {
    "REFUSED": _("This was refused. Look at what is shown below and try again."),
    "ALREADY_BOOKED": _("It is taken by somebody else by now. Choose another room or other dates."),
    "SOLD_OUT": _(
        "The last one has just been taken for these nights. Choose another room or other dates."
    ),
    "IDEMPOTENCY_IN_PROGRESS": _(
        "Your first try is still at work. Press the button again in a moment: "
        "it will be done only once."
    ),
    "RESOURCE_LOCKED": _(
        "Somebody is booking it this very second, and may yet give up. "
        "Nothing was done for you. Press the button again in a moment."
    ),
    "HOLD_EXPIRED": _("Your hold has run out. Hold it again, if it is still free."),
    "KEY_MISMATCH": _("This hold was made somewhere else, and is confirmed where it was made."),
    "PRICE_CHANGED": _(
        "The price has changed since you opened the page, so nothing was done. "
        "Look at the new price, and press the button if you agree."
    ),
    "NOT_CANCELLABLE": _("This can no longer be cancelled here. Please speak with the hotel."),
    "EXTENSION_LIMIT": _("This hold cannot be made any longer. Confirm it now, or let it go."),
    "HELD_LONG_ENOUGH": _(
        "Your hold cannot be made longer yet, so nothing was changed. "
        "Confirm it, or press “Keep it longer” when it is nearer its end."
    ),
    "TOO_MANY_HOLDS": _("You hold as many rooms as you may. Confirm one of them, or let one go."),
    "TOO_MANY_NIGHTS_HELD": _(
        "So many nights cannot be held from here at a time. Confirm what you hold, take fewer "
        "rooms or nights, or ask the hotel."
    ),
    "EMAIL_NEEDED": _(
        "Many of these rooms are on hold just now, so we ask you for your e-mail address first."
    ),
    "IDEMPOTENCY_KEY_REUSED": _("This form was used before. Press the button to begin anew."),
    "VALIDATION_ERROR": _("Something in the form is not right."),
    "INVALID_IDEMPOTENCY_KEY": _("This form is damaged. Open the page anew and try again."),
    "MALFORMED_JSON": _("The form could not be read. Open the page anew and try again."),
    "UNREADABLE_REQUEST": _("The form could not be read. Open the page anew and try again."),
    "NOT_AUTHENTICATED": _("Log in first, then try again."),
    "PERMISSION_DENIED": _("You may not do this with your login. Log in with an account that may."),
    "NOT_FOUND": _("There is nothing here that you can see. Look among your bookings."),
    "METHOD_NOT_ALLOWED": _("This cannot be done here. Go back to the first page."),
    "NOT_ACCEPTABLE": _("This cannot be shown as asked for. Go back to the first page."),
    "REQUEST_TIMEOUT": _(
        "What you sent came too slowly, so nothing was done. Go back and send it again: "
        "it will be done only once."
    ),
    "PAYLOAD_TOO_LARGE": _("That was too much text. Shorten it and try again."),
    "UNSUPPORTED_MEDIA_TYPE": _("The form could not be read. Open the page anew and try again."),
    "THROTTLED": _("That was a lot at once. Wait a minute, then press the button again."),
    "SERVER_ERROR": _(
        "Something went wrong here. Look among your bookings before you try again; "
        "the same form is done only once."
    ),
    "TRY_AGAIN": _(
        "The booking system could not answer just now. Press the button again in a few "
        "seconds: it will be done only once."
    ),
}

# The headings of the pages that have nothing but a refusal to show.
TITLES: dict[str, Promise] = {
    "MALFORMED_JSON": _("Bad request"),
    "PERMISSION_DENIED": _("Not allowed"),
    "NOT_FOUND": _("Not found"),
    "METHOD_NOT_ALLOWED": _("Not possible here"),
    "REQUEST_TIMEOUT": _("Too slow"),
    "PAYLOAD_TOO_LARGE": _("Too much"),
    "THROTTLED": _("Too many requests"),
    "SERVER_ERROR": _("Something went wrong"),
}

# For what is the same code in the API and another thing to do for a person.
CONFIRM_SENTENCES: dict[str, Promise] = {
    "HOLD_EXPIRED": _(
        "Your hold ran out, and somebody else may have the room by now. "
        "Press Hold it again: what you typed is kept."
    ),
    "PRICE_CHANGED": _(
        "The hotel has changed your stay since you opened this page, so nothing was booked. "
        "Look at it again, and confirm it if you agree."
    ),
}
GONE_ON_SENTENCES: dict[str, Promise] = {
    "HOLD_EXPIRED": _(
        "This hold ran out, and you have gone on with another since. Look among your bookings."
    ),
}
EXTEND_SENTENCES: dict[str, Promise] = {
    "HOLD_EXPIRED": _(
        "Your hold ran out before it could be made longer. "
        "Press Hold it again: what you typed is kept."
    ),
}
CANCEL_SENTENCES: dict[str, Promise] = {
    "NOT_CANCELLABLE": _(
        "It can no longer be cancelled here. A hold that ran out needs no cancelling. For a "
        "booking the hotel's time is over: please speak with the hotel."
    ),
    "RESOURCE_LOCKED": _("Something else is being done with it this second. Press Cancel again."),
}

FORGOTTEN = _("This browser has forgotten who you were. Your bookings stay as they are.")
NO_SUCH_MONTH = _("Choose a month that exists, written YYYY-MM.")
NOT_YOURS_ANY_MORE = _("This hold is no longer yours. Look at what is free now.")
ALREADY_YOURS = _("You have booked this already; it was not booked twice.")
EXTENDED = _("Your hold is longer now.")
MAILBOX_CONFIRMED = _(
    "Thank you. Now hold your room and confirm it: it is kept for you for a few minutes."
)
LINK_IS_OVER = _("This link is not valid, or its time is over. Ask for a new one.")


def title_of(code: str) -> str:
    """The heading for a refusal that has a page of its own."""
    return str(TITLES.get(code, _("Refused")))


def explain(code: str, *, instead: Mapping[str, Promise] | None = None) -> str:
    """The sentence for a refusal's code; `instead` has those of what was being done."""
    return str((instead or {}).get(code) or SENTENCES[code])

"""The sentence that guests read for each code: what happened, and what to do next."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# The same form may get a different answer in a moment, so the script sends it again.
PASSING_CODES = ("IDEMPOTENCY_IN_PROGRESS", "TRY_AGAIN")

SENTENCES: dict[str, Promise] = {
    "REFUSED": _("We couldn’t do that. Check the details below and try again."),
    "ALREADY_BOOKED": _("Someone else has just booked it. Choose another room or other dates."),
    "SOLD_OUT": _(
        "Someone else has just taken the last one for these nights. Choose another room or other "
        "dates."
    ),
    "IDEMPOTENCY_IN_PROGRESS": _(
        "Your first request is still being processed. Press the button again in a moment: we’ll "
        "do it only once."
    ),
    "RESOURCE_LOCKED": _(
        "Someone else is booking it right now but may not finish. We haven’t booked anything for "
        "you. Press the button again in a moment."
    ),
    "HOLD_EXPIRED": _("Your hold has expired. Hold the room again if it is still free."),
    "KEY_MISMATCH": _("This hold was made in another browser or app. Confirm it there."),
    "PRICE_CHANGED": _(
        "The price has changed since you opened the page, so we haven’t booked anything. Check "
        "the new price and press the button if you agree."
    ),
    "NOT_CANCELLABLE": _("You can no longer cancel this here. Please contact the hotel."),
    "NOT_CHANGEABLE": _("You can no longer change this here. Please contact the hotel."),
    "EXTENSION_LIMIT": _("You can’t extend this hold again. Confirm it now or release it."),
    "HELD_LONG_ENOUGH": _(
        "It’s too early to extend your hold, so nothing has changed. Confirm it, or press “Give "
        "me more time” shortly before it expires."
    ),
    "TOO_MANY_HOLDS": _("You’ve reached the limit for holds. Confirm one or release one first."),
    "TOO_MANY_NIGHTS_HELD": _(
        "You can’t hold that many nights at once. Confirm your other holds, choose fewer rooms "
        "or nights, or contact the hotel."
    ),
    "EMAIL_NEEDED": _(
        "Many of these rooms are on hold right now, so we need your e-mail address first."
    ),
    "IDEMPOTENCY_KEY_REUSED": _(
        "This form has already been used. Press the button to start again."
    ),
    "VALIDATION_ERROR": _(
        "This page is out of date or damaged, so we haven’t done anything. Reload it and try again."
    ),
    "INVALID_IDEMPOTENCY_KEY": _("This form is damaged. Reload the page and try again."),
    "MALFORMED_JSON": _("We couldn’t read the form. Reload the page and try again."),
    "UNREADABLE_REQUEST": _("We couldn’t read the form. Reload the page and try again."),
    "NOT_AUTHENTICATED": _("Log in first, then try again."),
    "PERMISSION_DENIED": _(
        "Your account isn’t allowed to do this. Log in with an account that is."
    ),
    "NOT_FOUND": _("We can’t find that page."),
    "METHOD_NOT_ALLOWED": _(
        "This page opens only when you press a button on another page. Start again from here."
    ),
    "NOT_ACCEPTABLE": _(
        "We can’t show this in the format your browser asked for. Start again from here."
    ),
    "REQUEST_TIMEOUT": _(
        "Your form took too long to reach us, so we haven’t done anything. Go back and send it "
        "again: we’ll do it only once."
    ),
    "PAYLOAD_TOO_LARGE": _("That’s too much text. Shorten it and try again."),
    "UNSUPPORTED_MEDIA_TYPE": _("We couldn’t read the form. Reload the page and try again."),
    "THROTTLED": _("You’ve sent too many requests. Wait a minute, then press the button again."),
    "SERVER_ERROR": _(
        "Something went wrong on our side. Check your bookings before you try again. We process "
        "the same form only once."
    ),
    "TRY_AGAIN": _(
        "The booking system isn’t responding. Press the button again in a few seconds: we’ll do "
        "it only once."
    ),
}

# Headings of pages that show only a refusal.
TITLES: dict[str, Promise] = {
    "MALFORMED_JSON": _("Bad request"),
    "PERMISSION_DENIED": _("Not allowed"),
    "NOT_FOUND": _("Page not found"),
    "METHOD_NOT_ALLOWED": _("You can’t open this page directly"),
    "REQUEST_TIMEOUT": _("Request timed out"),
    "PAYLOAD_TOO_LARGE": _("Too much text"),
    "THROTTLED": _("Too many requests"),
    "SERVER_ERROR": _("Something went wrong"),
}

# Sentences for actions in which the code asks the guest to do something else.
FORM_SENTENCES: dict[str, Promise] = {
    "VALIDATION_ERROR": _("We haven’t booked your stay yet. Correct the marked fields first."),
}
HOLD_SENTENCES: dict[str, Promise] = {
    "VALIDATION_ERROR": _("We can’t hold this stay. Check your dates and choose a room again."),
}
CONFIRM_SENTENCES: dict[str, Promise] = {
    "HOLD_EXPIRED": _(
        "Your hold has expired, and someone else may have booked the room. Press “Hold it "
        "again”: we’ve kept your details."
    ),
    "PRICE_CHANGED": _(
        "Your stay has changed since you opened this page, so we haven’t booked it. "
        "Check it and confirm it if you agree."
    ),
}
GONE_ON_SENTENCES: dict[str, Promise] = {
    "HOLD_EXPIRED": _(
        "This hold has expired, and you have since continued with another one. Check your bookings."
    ),
}
EXTEND_SENTENCES: dict[str, Promise] = {
    "HOLD_EXPIRED": _(
        "Your hold expired before we could extend it. Press “Hold it again”: we’ve kept your "
        "details."
    ),
}
CANCEL_SENTENCES: dict[str, Promise] = {
    "NOT_CANCELLABLE": _(
        "You can no longer cancel this here. An expired hold needs no cancelling. If it is a "
        "booking, the hotel’s deadline has passed: please contact the hotel."
    ),
    "RESOURCE_LOCKED": _(
        "This booking is being changed right now. Press the button again in a moment."
    ),
}

CHANGE_SENTENCES: dict[str, Promise] = {
    "PRICE_CHANGED": _(
        "The price has changed since you opened this page, so we haven’t changed anything. Check "
        "the new price and press the button if you agree."
    ),
    "SOLD_OUT": _(
        "Someone else has just taken the last room for these nights, so we haven’t changed "
        "anything. Your stay is as it was."
    ),
    "VALIDATION_ERROR": _(
        "We can’t sell these dates, so we haven’t changed anything. See below which dates you can "
        "have."
    ),
    "NOT_CHANGEABLE": _("We haven’t changed anything. Your stay is as you see it below."),
    "RESOURCE_LOCKED": _(
        "Someone else is booking this room right now but may not finish. We haven’t changed "
        "anything. Press the button again in a moment."
    ),
    "EMAIL_NEEDED": _(
        "Many of these rooms are on hold right now, so we haven’t changed anything. Confirm your "
        "booking first, then change it."
    ),
    "TOO_MANY_NIGHTS_HELD": _(
        "You can’t hold that many nights at once, so we haven’t changed anything. Confirm your "
        "booking first, then change it, or choose fewer nights."
    ),
}
# Why a stay can no longer be changed, by NotChangeable.why.
UNCHANGEABLE: dict[str, Promise] = {
    "over": _("This booking is over, so there is nothing to change."),
    "arrival": _(
        "The hotel has already noted your arrival. Please ask the hotel to change your stay."
    ),
    "deadline": _(
        "The deadline for changing this stay here was %(time)s (local time at %(hotel)s). Please "
        "contact the hotel."
    ),
    "often": _("This stay was changed very often. Please contact the hotel to change it again."),
    "currency": _(
        "The hotel now sells in another currency. Please contact the hotel, or book the new nights "
        "separately."
    ),
}

DETAILS_SENTENCES: dict[str, Promise] = {
    "VALIDATION_ERROR": _("We haven’t saved your details yet. Correct the marked fields first."),
    "NOT_CHANGEABLE": _(
        "We haven’t saved anything: the booking was changed since you opened this page. Check the "
        "details below."
    ),
    "PERMISSION_DENIED": _(
        "We haven’t saved anything: only the browser or the account with which you booked can "
        "change the address."
    ),
}
# Why details can no longer be corrected, by NotChangeable.why.
UNCORRECTABLE: dict[str, Promise] = {
    "over": _("This booking is not confirmed, so there are no details to correct."),
    "arrival": _(
        "The hotel has already noted your arrival. Please tell the hotel what to correct."
    ),
    "often": _("These details were changed very often. Please contact the hotel."),
}

# By the state of the newest mail about a booking.
MAILED: dict[str, Promise] = {
    "waiting": _("A mail about your booking is on its way to %(address)s."),
    "delayed": _("We couldn’t send the mail to %(address)s yet, and will keep trying."),
    "sent": _("We’ve sent a mail about your booking to %(address)s."),
    "given_up": _("We couldn’t send a mail to %(address)s. Please check the address."),
}

CORRECTED = _("Your details are saved.")
CHANGED = _("Your stay is changed.")
FORGOTTEN = _(
    "This browser no longer shows your bookings. The bookings themselves haven’t changed."
)
NO_SUCH_MONTH = _("Enter a valid month, as YYYY-MM.")
NOT_YOURS_ANY_MORE = _("This hold is no longer yours. See which rooms are free now.")
ALREADY_YOURS = _("You’ve already booked this. We didn’t book it twice.")
EXTENDED = _("Your hold now lasts until %(until)s, local time at the hotel.")
MAILBOX_CONFIRMED = _(
    "Thank you. Now choose your room: we’ll hold it for a few minutes while you confirm."
)
NO_SUCH_HOTEL = _("The hotel of this link isn’t here. Look for a room below.")
LINK_IS_OVER = _("This link is invalid or has expired. Request a new one.")


def title_of(code: str) -> str:
    """The heading of a page that shows only this refusal."""
    return str(TITLES.get(code, _("We couldn’t do that")))


def explain(code: str, *, instead: Mapping[str, Promise] | None = None) -> str:
    """The sentence for a refusal's code. `instead` has the sentences specific to an action."""
    return str((instead or {}).get(code) or SENTENCES[code])

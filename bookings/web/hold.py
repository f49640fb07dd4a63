"""Turns a search result into a hold: one hold per intent, however often its form is sent."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from bookings.catalogue import inventory
from bookings.domain.booking import ACTIVE, CHANGED, CONFIRMED, Booking
from bookings.domain.callers import Caller
from bookings.domain.stay_request import GUEST_FIELDS
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import TimedRequest
from bookings.infrastructure.throttles import remote_address_of
from bookings.refusals import AlreadyBooked, EmailNeeded, KeyReused, NotFound, Refusal, SoldOut
from bookings.stays import create, own_bookings
from bookings.web import limits, visitors
from bookings.web.forms import GuestForm, HoldForm
from bookings.web.intents import MAX_CHAIN, Intent, IntentKeys, keys_of
from bookings.web.messages import (
    ALREADY_YOURS,
    HOLD_SENTENCES,
    NOT_YOURS_ANY_MORE,
    PASSING_CODES,
    explain,
)
from bookings.web.script_answers import ask_again, go, is_scripted
from bookings.web.search import find_holds, held_as, stays_url
from bookings.web.service_call import Said, ask

# After one of these, the same key would only repeat the answer, so the intent gets another key.
DEFINITE_CODES = {
    KeyReused.code,
    *(refusal.code for refusal in Refusal.__subclasses__() if refusal.is_definite),
}


@never_cache
@require_POST
@limits.limit_posts
@limits.limit_holds
def hold(request: TimedRequest) -> HttpResponse:
    """Holds rooms for a stay, once for each key that a page contained."""
    form = HoldForm(
        request.POST, hotels=[hotel for hotel in inventory.list_hotels() if hotel.is_open]
    )
    if not form.is_valid():
        return go(
            request, reverse("home"), error=explain("VALIDATION_ERROR", instead=HOLD_SENTENCES)
        )
    asked = form.cleaned_data
    intent = Intent(
        asked["hotel"],
        asked["category"],
        asked["arrival"],
        asked["departure"],
        asked["guests"],
        asked["rooms"],
    )
    results = stays_url(
        hotel=intent.hotel,
        arrival=intent.arrival,
        departure=intent.departure,
        guests=intent.guests,
        rooms=intent.rooms,
    )
    # The holds that this person made as a guest are their own to return to, not a rival's.
    visitors.adopt_rest(request)
    caller = visitors.caller_of(request)
    keys = keys_of(request)
    key, keyed_as = keys.accept(intent, asked["key"])
    details = _typed_details(request)
    payload = _payload(intent, asked["total"], details)

    def try_with(key: str, keyed_as: Caller) -> Said:
        return ask(
            lambda: create.create_booking(
                caller=keyed_as,
                owner=caller,
                key_header=key,
                read_payload=lambda: payload,
                deadline=request.deadline,
                remote_address=remote_address_of(request),
                mailbox_digest=visitors.confirmed_mailbox_digest(request),
            )
        )

    for _ in range(MAX_CHAIN):
        said = try_with(key, keyed_as)
        if said.booking_id is None:
            if details and said.code not in PASSING_CODES:
                visitors.keep_typed(request, details)
            return _refuse_hold(request, said, keys, intent, key, results)
        try:
            booking = own_bookings.find_own_booking(viewer=caller, booking_id=said.booking_id)
        except NotFound:
            if not said.is_replay:
                # The guest has logged in in another tab, and the account already owns the booking.
                return go(request, reverse("booking", args=[said.booking_id]))
            # It belongs to an account that has logged out since, so it stays hidden.
            keys.settle(intent, key)
            return go(request, results, error=str(NOT_YOURS_ANY_MORE))
        status = booking.status_at(clock.now())
        if status in ACTIVE and not _has_left(booking, intent):
            if status == CONFIRMED:
                messages.info(request, ALREADY_YOURS)
                keys.settle(intent, key)
            response = go(request, reverse("booking", args=[said.booking_id]))
            return visitors.keep_guest(request, response)
        # What this key made has ended since the page was opened, or its owner has given it other
        # dates, so this click is a new wish.
        keys.settle(intent, key)
        key, keyed_as = keys.after(intent, key), caller
    return go(request, results, error=explain("TRY_AGAIN"))


def _has_left(booking: Booking, intent: Intent) -> bool:
    """Whether its owner has changed the booking, and it no longer is the stay of the intent.

    After a move by staff it still is what the guest asked for: the hotel has no other way to give
    it to them.
    """
    return any(line.event == CHANGED for line in booking.history) and (
        booking.category,
        booking.check_in,
        booking.check_out,
    ) != (intent.category, intent.arrival, intent.departure)


def _refuse_hold(
    request: HttpRequest, said: Said, keys: IntentKeys, intent: Intent, key: str, results: str
) -> HttpResponse:
    """Returns to the results, which show the new state. A script may send the same form again."""
    assert said.code is not None
    if said.code in DEFINITE_CODES:
        keys.settle(intent, key)
    is_taken = said.code in (AlreadyBooked.code, SoldOut.code)
    if is_taken and (held := held_as(find_holds(request), intent)):
        # Their own hold took it. It stayed the guest's, since the account may not adopt that many.
        return go(request, reverse("booking", args=[held]))
    if said.code in PASSING_CODES and is_scripted(request):
        return ask_again(
            code=said.code,
            sentence=explain(said.code),
            status=said.status,
            retry_after_s=said.retry_after_s,
        )
    sentence = explain(said.code, instead=HOLD_SENTENCES)
    if said.code == EmailNeeded.code:
        # The page that asks for the e-mail address takes the same query.
        url = f"{reverse('hold_address')}?{results.partition('?')[2]}"
    else:
        url = reverse("bookings") if said.code == "TOO_MANY_HOLDS" else results
    return visitors.keep_guest(request, go(request, url, error=sentence))


def _typed_details(request: HttpRequest) -> dict[str, str]:
    """The details that the guest entered before the hold expired, without invalid ones."""
    form = GuestForm(request.POST)
    form.is_valid()
    return {name: value for name, value in form.cleaned_data.items() if value}


def _payload(intent: Intent, total: int, details: dict[str, str]) -> dict[str, Any]:
    """The intent as a request body of the API."""
    room = {"categoryId": intent.category, "guests": intent.guests}
    payload: dict[str, Any] = room if intent.rooms == 1 else {"rooms": [room] * intent.rooms}
    payload |= {
        "checkIn": intent.arrival.isoformat(),
        "checkOut": intent.departure.isoformat(),
        "hold": True,
        "quotedTotal": total,
    }
    guest = {name: value for name, value in details.items() if name in GUEST_FIELDS}
    notes = {"notes": details["notes"]} if "notes" in details else {}
    return {**payload, **({"guest": guest} if guest else {}), **notes}

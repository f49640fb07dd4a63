"""The page of a hold or a booking, and its actions: confirm, extend, cancel.

A POST that succeeds redirects to the page of the booking, which reads the new state. A refused
POST shows its form again with the values the visitor entered. The pages' script asks for JSON
instead (bookings/web/script_answers.py).
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from bookings.content.reading import AboutHotel, find_hotel_content
from bookings.domain.booking import ACTIVE, CONFIRMED, EXPIRED, PENDING, Booking
from bookings.domain.email_addresses import as_people_write, normalise_address
from bookings.domain.stay_request import Guest, judge_seen, read_seen_field
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import TimedRequest
from bookings.infrastructure.embedding import outside
from bookings.news import deliveries
from bookings.refusals import NotFound, Refusal
from bookings.stays import lifecycle, own_bookings
from bookings.stays.answers import describe_seen, iso
from bookings.stays.calendar_file import write_stay_file
from bookings.stays.manage_links import last_day, make_link_token, read_link_token
from bookings.web import limits, visitors
from bookings.web.forms import GuestForm
from bookings.web.intents import Intent, keys_of
from bookings.web.messages import (
    CANCEL_SENTENCES,
    CONFIRM_SENTENCES,
    EXTEND_SENTENCES,
    EXTENDED,
    FORM_SENTENCES,
    GONE_ON_SENTENCES,
    LINK_IS_OVER,
    MAILED,
    PASSING_CODES,
    explain,
)
from bookings.web.presentation import ShownBooking, describe_changes, intents_of, show_bookings
from bookings.web.script_answers import ask_again, go, is_scripted, tell_fault
from bookings.web.service_call import Said, ask

# The hidden field with the details that a hold's page was made with.
_SHOWN = "shown"


@never_cache
@require_safe
def booking_page(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Shows one of the visitor's holds or bookings, whatever its state."""
    booking = find_booking(request, booking_id)
    if is_scripted(request):
        return _tell_end(booking)
    return _show(request, booking)


@never_cache
@require_POST
@limits.limit_posts
def confirm(request: TimedRequest, booking_id: str) -> HttpResponse:
    """Confirms a hold for the guest named in the form."""
    booking = find_booking(request, booking_id)
    form = GuestForm(request.POST, known_phone=booking.guest.phone)
    if not form.is_valid():
        return _refuse(
            request, booking, form, code="VALIDATION_ERROR", status=400, instead=FORM_SENTENCES
        )
    key = request.POST.get("key", "")
    (shown,) = show_bookings([booking], now=clock.now())
    wish = _find_wish(request, booking)
    if _has_gone_on(request, shown, wish, key, _find_others(request, booking)):
        return _refuse(
            request, booking, form, code="HOLD_EXPIRED", status=409, instead=GONE_ON_SENTENCES
        )
    said = ask(
        lambda: lifecycle.confirm_booking(
            actor=visitors.caller_of(request),
            booking_id=booking_id,
            key_header=key or None,
            deadline=request.deadline,
            guest=form.guest,
            notes=form.cleaned_data["notes"],
            shown=_read_shown(request.POST.get(_SHOWN, "")),
            read_seen=lambda: _read_seen(request),
        )
    )
    if said.code:
        return _refuse(request, booking, form, said=said, instead=CONFIRM_SENTENCES)
    # A booking does not count toward the account's limit for holds, so it can be adopted now. The
    # visitor may be logging out in another tab.
    visitors.adopt_late(request, [booking])
    visitors.forget_typed(request)
    _settle(request, booking)
    if shown.status == EXPIRED and wish is not None:
        # A late confirm revived the hold. If its intent got another key meanwhile, settle that too.
        keys = keys_of(request)
        if key not in keys.are_current(wish.intent):
            keys.settle(wish.intent, keys.current(wish.intent))
    return go(request, booking_url(booking))


@never_cache
@require_POST
@limits.limit_posts
def extend(request: TimedRequest, booking_id: str) -> HttpResponse:
    """Extends a hold, once for each end that a page showed, and keeps the form's values."""
    booking = find_booking(request, booking_id)
    # Two clicks or two tabs that show the same end count as one request.
    shown_end = request.POST.get("shown_end", "")[:40]
    said = ask(
        lambda: lifecycle.extend_hold(
            actor=visitors.caller_of(request),
            booking_id=booking_id,
            key_header=f"page:extend:{shown_end}",
            deadline=request.deadline,
        )
    )
    # The form may be only half filled in. That is not an error yet.
    form = GuestForm(initial=request.POST.dict())
    if said.code:
        return _refuse(request, booking, form, said=said, instead=EXTEND_SENTENCES)
    booking = find_booking(request, booking_id)
    (shown,) = show_bookings([booking], now=clock.now())
    # On a repeated click, the hold may have become a booking or have ended since.
    notice = str(EXTENDED % {"until": shown.held_until}) if shown.is_held else ""
    if is_scripted(request) and not _find_changes(request, booking):
        return _tell_end(booking, message=notice)
    return _show(request, booking, form=form, notice=notice)


@never_cache
@require_POST
@limits.limit_posts
def cancel(request: TimedRequest, booking_id: str) -> HttpResponse:
    """Cancels a hold or a booking. Repeating it gives the same answer."""
    booking = find_booking(request, booking_id)
    said = ask(
        lambda: lifecycle.cancel_booking(
            actor=visitors.caller_of(request),
            booking_id=booking_id,
            key_header=None,
            deadline=request.deadline,
        )
    )
    if said.code:
        return _refuse(request, booking, None, said=said, instead=CANCEL_SENTENCES)
    _settle(request, booking)
    return go(request, booking_url(booking))


@never_cache
@require_safe
def stay_file(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Serves the stay as a file for the guest's own calendar (RFC 5545)."""
    booking = find_booking(request, booking_id)
    if booking.status != CONFIRMED:
        raise Http404
    (shown,) = show_bookings([booking], now=clock.now())
    about = find_hotel_content(booking.hotel) or AboutHotel(booking.hotel)
    content = write_stay_file(booking, hotel=shown.hotel, address=about.address, rooms=shown.rooms)
    response = HttpResponse(content, content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{booking.reference}.ics"'
    return response


@never_cache
@require_safe
def manage(request: HttpRequest, token: str) -> HttpResponse:
    """Opens one booking to anyone who has its link, and redirects to a URL without the secret."""
    booking_id = read_link_token(token)
    if booking_id is None:
        messages.error(request, LINK_IS_OVER)
        return HttpResponseRedirect(reverse("bookings"))
    visitors.let_manage(request, booking_id)
    return HttpResponseRedirect(reverse("booking", args=[booking_id]))


def _refuse(
    request: HttpRequest,
    booking: Booking,
    form: GuestForm | None,
    *,
    said: Said | None = None,
    code: str = "",
    status: int = 0,
    instead: Mapping[str, Promise] | None = None,
) -> HttpResponse:
    """Shows the booking's page again, with the form's values and what is wrong.

    If an answer is not JSON, the script lets the browser send the form again and show the page
    it gets. So the script gets a page when the one on screen shows an outdated stay.
    """
    said = said or Said(code, status=status)
    assert said.code is not None
    sentence = explain(said.code, instead=instead)
    if is_scripted(request) and said.code in PASSING_CODES:
        return ask_again(
            code=said.code,
            sentence=sentence,
            status=said.status,
            retry_after_s=said.retry_after_s,
        )
    booking = find_booking(request, str(booking.id))
    is_out_of_date = said.code == "PRICE_CHANGED" or _find_changes(request, booking)
    if is_scripted(request) and not is_out_of_date:
        errors = form.errors if form is not None and form.is_bound else {}
        return tell_fault(code=said.code, sentence=sentence, status=said.status, errors=errors)
    return _show(request, booking, form=form, fault=sentence, status=said.status)


def find_booking(request: HttpRequest, booking_id: str) -> Booking:
    """One of the visitor's bookings. Raises Http404 for others."""
    viewer = visitors.caller_of(request)
    try:
        booking = own_bookings.find_own_booking(viewer=viewer, booking_id=booking_id)
        if visitors.adopt_late(request, [booking]):
            booking = own_bookings.find_own_booking(viewer=viewer, booking_id=booking_id)
    except NotFound as error:
        raise Http404 from error
    return booking


def _show(
    request: HttpRequest,
    booking: Booking,
    *,
    form: GuestForm | None = None,
    fault: str = "",
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    """Renders the page that matches the booking's state."""
    now = clock.now()
    (shown,) = show_bookings([booking], now=now)
    context: dict[str, Any] = {"booking": shown, "fault": fault, "notice": notice}
    if shown.status in (PENDING, EXPIRED):
        context["changes"] = _find_changes(request, booking)
        wish = _find_wish(request, booking)
        others = _find_others(request, booking)
        known = _known_guest(request, booking)
        # A form that is shown again has what was typed, and still knows what it began with.
        is_again = form is not None and _read_shown(request.POST.get(_SHOWN, ""))
        context |= {
            "form": form or GuestForm(initial=known),
            "shown": request.POST[_SHOWN] if is_again else _write_shown(booking, known),
            "now": iso(now),
            "expires_at": iso(booking.expires_at) if booking.expires_at else "",
            "key": wish.key if wish else "",
            "seen": json.dumps(describe_seen(booking)),
            "may_confirm": wish is not None
            and (shown.is_held or shown.may_confirm_late)
            and not _has_gone_on(request, shown, wish, wish.key, others),
            "others": others,
        }
        return render(request, "booking/hold.html", context, status=status)
    if shown.status == CONFIRMED:
        token = make_link_token(shown.id, shown.check_out)
        context["manage_url"] = request.build_absolute_uri(outside("manage", token))
        context["manage_until"] = last_day(shown.check_out)
        context["mailed"] = _say_of_mail(booking)
    return render(request, "booking/booking.html", context, status=status)


def _say_of_mail(booking: Booking) -> str:
    """Whether the newest mail about this booking was sent, and to which address."""
    if not booking.guest.email:
        return ""
    state = "waiting"
    # What is in the outbox is newer than any delivery.
    if not booking.outbox and (found := deliveries.find_latest_mail(booking.id)):
        state, tries = found
        if state == deliveries.WAITING and tries > 0:
            state = "delayed"
    return str(MAILED[state]) % {"address": as_people_write(booking.guest.email)}


def _tell_end(booking: Booking, *, message: str = "") -> HttpResponse:
    """Tells the countdown the state and, for a hold, its end and the server's time."""
    now = clock.now()
    (shown,) = show_bookings([booking], now=now)
    told: dict[str, Any] = {"state": shown.status, "message": message}
    if shown.expires_at is not None:
        told |= {
            "now": iso(now),
            "expiresAt": iso(shown.expires_at),
            "until": shown.held_until,
            "mayExtend": shown.may_extend,
        }
    return JsonResponse(told)


@dataclass(frozen=True)
class _Wish:
    """A visitor's intent, and the key that made the hold."""

    intent: Intent
    key: str


def _find_wish(request: HttpRequest, booking: Booking) -> _Wish | None:
    """The wish from which this browser made the hold; None if it was made somewhere else."""
    keys, viewer = keys_of(request), visitors.caller_of(request)
    for intent in intents_of(booking):
        for key in keys.candidates(intent):
            if lifecycle.is_key_of(booking, key, viewer=viewer):
                return _Wish(intent, key)
    return None


def _write_shown(booking: Booking, known: Mapping[str, str]) -> str:
    """The form's hidden field about its details: those of the hold, and those it begins with."""
    held = [*vars(booking.guest).values(), booking.notes]
    return json.dumps([held, [known[name] for name in (*vars(Guest()), "notes")]])


def _read_shown(text: str) -> lifecycle.ShownDetails | None:
    """What `_write_shown` wrote, spelled as the form's fields clean it; None if it is damaged."""
    try:
        held, began = json.loads(text)
        held_name, held_email, held_phone, held_notes = map(_text, held)
        name, email, phone, notes = (_text(each).strip() for each in began)
    except (ValueError, TypeError, RecursionError):
        return None
    with suppress(ValidationError):
        email = normalise_address(email)
    return lifecycle.ShownDetails(
        held=(Guest(held_name, held_email, held_phone), held_notes),
        form=(Guest(name, email, phone), notes.replace("\r\n", "\n")),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _read_seen(request: HttpRequest) -> Any:
    """The stay as the submitted page showed it; empty for a page of an earlier release."""
    return read_seen_field(request.POST.get("seen", "{}"))


def _find_changes(request: HttpRequest, booking: Booking) -> list[str]:
    """What has changed since the submitted page was shown, in words."""
    if request.method != "POST":
        return []
    try:
        return describe_changes(booking, judge_seen(_read_seen(request)))
    except Refusal:
        return []


def _has_gone_on(
    request: HttpRequest,
    shown: ShownBooking,
    wish: _Wish | None,
    key: str,
    others: list[Booking],
) -> bool:
    """Whether the hold expired and the visitor made another booking of its stay under a later key.

    A late confirm would then book the same wish twice.
    """
    if shown.status != EXPIRED or wish is None or not others:
        return False
    return key not in keys_of(request).are_current(wish.intent)


def _find_others(request: HttpRequest, booking: Booking) -> list[Booking]:
    """The visitor's other live bookings of this stay, shown so that they do not book it twice."""
    found, _ = own_bookings.list_own_bookings(
        viewer=visitors.caller_of(request), night=booking.check_in
    )
    now = clock.now()
    return [
        other
        for other in found
        if other.id != booking.id
        and other.status_at(now) in ACTIVE
        and (other.category, other.check_in, other.check_out)
        == (booking.category, booking.check_in, booking.check_out)
    ]


def _settle(request: HttpRequest, booking: Booking) -> None:
    """Replaces the intent's key: the stay is booked or released, so a later click is a new wish."""
    wish = _find_wish(request, booking)
    if wish is not None:
        keys_of(request).settle(wish.intent, wish.key)


def _known_guest(request: HttpRequest, booking: Booking) -> dict[str, str]:
    """The form's first values: from the hold, else from an earlier form, else from the account."""
    known = {**vars(booking.guest), "notes": booking.notes}
    if booking.guest == Guest() and (typed := visitors.typed_before(request)):
        return {**known, **typed}
    user = request.user
    if booking.guest == Guest() and isinstance(user, User):
        known["name"], known["email"] = user.get_full_name(), user.email
    return {**known, "email": as_people_write(known["email"])}


def booking_url(booking: Booking) -> str:
    """The path of the booking's page."""
    return reverse("booking", args=[str(booking.id)])

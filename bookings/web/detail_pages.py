"""The page on which guests correct their details and special requests on a booking."""

import json
import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bookings.domain.booking import Booking
from bookings.domain.email_addresses import as_people_write
from bookings.domain.stay_request import Guest
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import TimedRequest
from bookings.refusals import NotChangeable
from bookings.stays import corrections
from bookings.web import limits, visitors
from bookings.web.booking_pages import booking_url, find_booking
from bookings.web.forms import GuestForm
from bookings.web.messages import (
    CORRECTED,
    DETAILS_SENTENCES,
    PASSING_CODES,
    UNCORRECTABLE,
    explain,
)
from bookings.web.presentation import show_bookings
from bookings.web.script_answers import ask_again, go, is_scripted, tell_fault
from bookings.web.service_call import ask


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limits.limit_posts
def details(request: TimedRequest, booking_id: str) -> HttpResponse:
    """Shows the details, and changes them if they are still those that the page showed."""
    booking = find_booking(request, booking_id)
    if request.method != "POST":
        return _show(request, booking)
    posted = request.POST.copy()
    if not corrections.may_change_address(booking, visitors.caller_of(request)):
        # The page shows the address to those who have the link, and does not ask for it.
        posted["email"] = as_people_write(booking.guest.email)
    form = GuestForm(posted, known_phone=booking.guest.phone)
    seen = _read_seen(request)
    if not form.is_valid() or seen is None:
        return _refuse(request, booking, form, code="VALIDATION_ERROR", status=400)
    said = ask(
        lambda: corrections.correct_guest(
            actor=visitors.caller_of(request),
            booking_id=booking_id,
            key_header=_key_for(request, form),
            deadline=request.deadline,
            seen=seen,
            guest=form.guest,
            notes=form.cleaned_data["notes"],
        )
    )
    if said.code in PASSING_CODES and is_scripted(request):
        return ask_again(
            code=said.code,
            sentence=explain(said.code, instead=DETAILS_SENTENCES),
            status=said.status,
            retry_after_s=said.retry_after_s,
        )
    if said.code:
        booking = find_booking(request, booking_id)
        return _refuse(request, booking, form, code=said.code, status=said.status)
    messages.success(request, CORRECTED)
    return go(request, booking_url(booking))


def _key_for(request: HttpRequest, form: GuestForm) -> str | None:
    """The key for what the form says now."""
    key = request.POST.get("key")
    said = [*vars(form.guest).values(), form.cleaned_data["notes"]]
    return corrections.key_for(key, said) if key else None


def _refuse(
    request: HttpRequest, booking: Booking, form: GuestForm, *, code: str, status: int
) -> HttpResponse:
    sentence = explain(code, instead=DETAILS_SENTENCES)
    if is_scripted(request) and form.errors:
        return tell_fault(code=code, sentence=sentence, status=status, errors=form.errors)
    # After a change by someone else, the form shows the details as they are now.
    kept = form if form.errors else None
    return _show(request, booking, form=kept, fault=sentence, status=status)


def _show(
    request: HttpRequest,
    booking: Booking,
    *,
    form: GuestForm | None = None,
    fault: str = "",
    status: int = 200,
) -> HttpResponse:
    (shown,) = show_bookings([booking], now=clock.now())
    known = {**vars(booking.guest), "notes": booking.notes}
    known["email"] = as_people_write(known["email"])
    context: dict[str, Any] = {
        "booking": shown,
        "fault": fault,
        "form": form or GuestForm(initial=known),
        "may_change_address": corrections.may_change_address(booking, visitors.caller_of(request)),
        "seen": json.dumps([*vars(booking.guest).values(), booking.notes]),
        "key": str(uuid.uuid4()),
    }
    try:
        corrections.judge_correctable(booking)
    except NotChangeable as refusal:
        context["uncorrectable"] = UNCORRECTABLE[refusal.why]
    return render(request, "booking/details.html", context, status=status)


def _read_seen(request: HttpRequest) -> tuple[Guest, str] | None:
    """The details and notes that the page showed; None if they are damaged."""
    try:
        seen = json.loads(request.POST.get("seen", ""))
    except (ValueError, RecursionError):
        return None
    if not isinstance(seen, list) or len(seen) != 4 or not all(isinstance(s, str) for s in seen):
        return None
    name, email, phone, notes = seen
    return Guest(name, email, phone), notes

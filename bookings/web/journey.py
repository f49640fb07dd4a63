"""From a hold to a booking and its end: each POST makes one service call and shows what it says.

A POST that did something ends in a redirect to the page of the booking, which reads the state
anew; one that was refused shows its form again with what was typed. The script of the pages
(static/sending.js) asks for JSON instead, and is told where to go, what is wrong, or to send
the same form again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import AbstractUser
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from bookings import clock, inventory, lifecycle, services
from bookings.answers import iso
from bookings.callers import Caller
from bookings.documents import ACTIVE, CONFIRMED, EXPIRED, PENDING, Booking
from bookings.errors import KeyReused, NotFound, Refusal
from bookings.manage_links import last_day, make_link_token, read_link_token
from bookings.outcomes import Outcome
from bookings.payloads import Guest
from bookings.web import limits, visitors
from bookings.web.forms import GuestForm, HoldForm
from bookings.web.intents import Intent, IntentKeys
from bookings.web.messages import (
    ALREADY_YOURS,
    CANCEL_SENTENCES,
    CONFIRM_SENTENCES,
    EXTEND_SENTENCES,
    EXTENDED,
    LINK_IS_OVER,
    NOT_YOURS_ANY_MORE,
    PASSING_CODES,
    explain,
)
from bookings.web.scripted import ask_again, go, is_scripted, tell_fault
from bookings.web.search import stays_url
from bookings.web.shown import show_bookings
from bookings.web.stay_files import write_stay_file

# After these the same key would only tell the same again, so the intent gets another one.
DEFINITE_CODES = {
    KeyReused.code,
    *(refusal.code for refusal in Refusal.__subclasses__() if refusal.is_definite),
}

# A page that was left open may bring a key whose booking is over, and so may each that follows
# it; nobody lets one stay go more often than that in one session.
MAX_KEYS_TRIED = 10


@dataclass(frozen=True)
class Said:
    """What the service said: the booking, or a refusal's code and how long to wait."""

    code: str | None
    booking_id: str | None = None
    replayed: bool = False
    status: int = 200
    retry_after_s: int | None = None


@require_POST
@limits.limit_posts
@limits.limit_holds
def hold(request: HttpRequest) -> HttpResponse:
    """Holds rooms for a stay, once for each key that a page handed out."""
    form = HoldForm(request.POST, hotels=inventory.list_hotels())
    if not form.is_valid():
        return go(request, reverse("home"), error=explain("VALIDATION_ERROR"))
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
    caller = visitors.caller_of(request)
    keys = IntentKeys(request.session, caller, visitors.guest_of(request))
    key, keyed_as = keys.accept(intent, asked["key"])
    payload = _payload(intent, asked["total"], _typed_details(request))

    def try_with(key: str, keyed_as: Caller) -> Said:
        return _ask(
            lambda: services.create_booking(
                caller=keyed_as,
                owner=caller,
                key_header=key,
                read_payload=lambda: payload,
                deadline=request.deadline,  # type: ignore[attr-defined]
            )
        )

    for _ in range(MAX_KEYS_TRIED):
        said = try_with(key, keyed_as)
        if said.booking_id is None:
            return _refuse_hold(request, said, keys, intent, key, results)
        try:
            booking = services.find_own_booking(viewer=caller, booking_id=said.booking_id)
        except NotFound:
            # It went to an account that is logged out by now; what is theirs stays theirs.
            keys.settle(intent, key)
            return go(request, results, error=str(NOT_YOURS_ANY_MORE))
        status = booking.status_at(clock.now())
        if status in ACTIVE:
            if status == CONFIRMED:
                messages.info(request, ALREADY_YOURS)
                keys.settle(intent, key)
            response = go(request, _booking_url(booking))
            return visitors.keep_guest(request, response)
        # What this key made has ended since the page was opened, so this is a new wish.
        keys.settle(intent, key)
        key, keyed_as = keys.after(intent, key), caller
    return go(request, results, error=explain("TRY_AGAIN"))


@never_cache
@require_safe
def booking_page(request: HttpRequest, booking_id: str) -> HttpResponse:
    """One of the visitor's bookings: a hold to be confirmed, or what became of it."""
    return _show(request, _find(request, booking_id))


@require_POST
@limits.limit_posts
def confirm(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Books what is held, for the guest who was typed in."""
    booking = _find(request, booking_id)
    form = GuestForm(request.POST)
    if not form.is_valid():
        return _refuse(request, booking, form, code="VALIDATION_ERROR", status=400)
    key = request.POST.get("key", "")
    said = _ask(
        lambda: lifecycle.confirm_booking(
            actor=visitors.caller_of(request),
            booking_id=booking_id,
            key_header=key or None,
            deadline=request.deadline,  # type: ignore[attr-defined]
            guest=form.guest,
            notes=form.cleaned_data["notes"],
        )
    )
    if said.code:
        return _refuse(request, booking, form, said=said, instead=CONFIRM_SENTENCES)
    _settle(request, booking)
    return go(request, _booking_url(booking))


@require_POST
@limits.limit_posts
def extend(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Makes a hold longer, once for each end that a page showed; what was typed is kept."""
    booking = _find(request, booking_id)
    # Two clicks, or two tabs, that show the same end mean the same wish.
    shown_end = request.POST.get("shown_end", "")[:40]
    said = _ask(
        lambda: lifecycle.extend_hold(
            actor=visitors.caller_of(request),
            booking_id=booking_id,
            key_header=f"page:extend:{shown_end}",
            deadline=request.deadline,  # type: ignore[attr-defined]
        )
    )
    # The form that was sent may be filled in half; that is not wrong yet.
    form = GuestForm(initial=request.POST.dict())
    if said.code:
        return _refuse(request, booking, form, said=said, instead=EXTEND_SENTENCES)
    booking = _find(request, booking_id)
    if is_scripted(request):
        (shown,) = show_bookings([booking], now=clock.now())
        assert shown.expires_at is not None
        return JsonResponse(
            {
                "message": str(EXTENDED),
                "expiresAt": iso(shown.expires_at),
                "now": iso(clock.now()),
                "until": f"{shown.expires_at_hotel:%H:%M}",
                "mayExtend": shown.may_extend,
            }
        )
    return _show(request, booking, form=form, notice=str(EXTENDED))


@require_POST
@limits.limit_posts
def cancel(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Gives a hold or a booking up; doing it again says the same."""
    booking = _find(request, booking_id)
    said = _ask(
        lambda: lifecycle.cancel_booking(
            actor=visitors.caller_of(request),
            booking_id=booking_id,
            key_header=None,
            deadline=request.deadline,  # type: ignore[attr-defined]
        )
    )
    if said.code:
        return _refuse(request, booking, None, said=said, instead=CANCEL_SENTENCES)
    _settle(request, booking)
    return go(request, _booking_url(booking))


@never_cache
@require_safe
def stay_file(request: HttpRequest, booking_id: str) -> HttpResponse:
    """The stay for the guest's own calendar (RFC 5545)."""
    booking = _find(request, booking_id)
    if booking.status != CONFIRMED:
        raise Http404
    (shown,) = show_bookings([booking], now=clock.now())
    response = HttpResponse(write_stay_file(shown), content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{booking.reference}.ics"'
    return response


@never_cache
@require_safe
def manage(request: HttpRequest, token: str) -> HttpResponse:
    """Opens one booking to whoever has its link, and leaves the link's secret behind."""
    booking_id = read_link_token(token)
    if booking_id is None:
        messages.error(request, LINK_IS_OVER)
        return HttpResponseRedirect(reverse("bookings"))
    visitors.let_manage(request, booking_id)
    return HttpResponseRedirect(reverse("booking", args=[booking_id]))


# --- What the service said --------------------------------------------------------------------


def _ask(call: Callable[[], Outcome]) -> Said:
    """Makes the call. What is not a refusal, such as MongoDB being away, is raised on."""
    try:
        outcome = call()
    except NotFound as error:
        raise Http404 from error
    except Refusal as refusal:
        return Said(refusal.code, status=refusal.status, retry_after_s=refusal.retry_after_s)
    answer = outcome.content
    if outcome.code:
        return Said(outcome.code, status=outcome.answer.status, retry_after_s=outcome.retry_after_s)
    return Said(None, answer["booking"]["id"], outcome.replayed)


def _refuse_hold(
    request: HttpRequest, said: Said, keys: IntentKeys, intent: Intent, key: str, results: str
) -> HttpResponse:
    """Back to the results, which show the state anew; or, with a script, the same form again."""
    assert said.code is not None
    if said.code in DEFINITE_CODES:
        keys.settle(intent, key)
    if said.code in PASSING_CODES and is_scripted(request):
        return ask_again(
            code=said.code,
            sentence=explain(said.code),
            status=said.status,
            retry_after_s=said.retry_after_s,
        )
    url = reverse("bookings") if said.code == "TOO_MANY_HOLDS" else results
    return visitors.keep_guest(request, go(request, url, error=explain(said.code)))


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
    """Shows the booking's page again, with what was typed and what is wrong."""
    said = said or Said(code, status=status)
    assert said.code is not None
    sentence = explain(said.code, instead=instead)
    if is_scripted(request):
        if said.code in PASSING_CODES:
            return ask_again(
                code=said.code,
                sentence=sentence,
                status=said.status,
                retry_after_s=said.retry_after_s,
            )
        errors = form.errors if form is not None and form.is_bound else {}
        return tell_fault(code=said.code, sentence=sentence, status=said.status, errors=errors)
    return _show(
        request,
        _find(request, str(booking.id)),
        form=form,
        fault=sentence,
        status=said.status,
    )


# --- The page of a booking --------------------------------------------------------------------


def _find(request: HttpRequest, booking_id: str) -> Booking:
    try:
        return services.find_own_booking(viewer=visitors.caller_of(request), booking_id=booking_id)
    except NotFound as error:
        raise Http404 from error


def _show(
    request: HttpRequest,
    booking: Booking,
    *,
    form: GuestForm | None = None,
    fault: str = "",
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page for the state that the booking is in."""
    now = clock.now()
    (shown,) = show_bookings([booking], now=now)
    context: dict[str, Any] = {"booking": shown, "fault": fault, "notice": notice}
    if shown.status in (PENDING, EXPIRED):
        key = _key_of(request, booking, shown.intent)
        context |= {
            "form": form or GuestForm(initial=_known_guest(request, booking)),
            "now": iso(now),
            "expires_at": iso(booking.expires_at) if booking.expires_at else "",
            "key": key,
            "may_confirm": key is not None and (shown.is_held or shown.may_confirm_late),
        }
        return render(request, "hold.html", context, status=status)
    if shown.status == CONFIRMED:
        token = make_link_token(shown.id, shown.check_out)
        context["manage_url"] = request.build_absolute_uri(reverse("manage", args=[token]))
        context["manage_until"] = last_day(shown.check_out)
    return render(request, "booking.html", context, status=status)


def _key_of(request: HttpRequest, booking: Booking, intent: Intent | None) -> str | None:
    """The key this browser made the hold with; None where it was made somewhere else."""
    if intent is None:
        return None
    caller = visitors.caller_of(request)
    keys = IntentKeys(request.session, caller, visitors.guest_of(request))
    return next((key for key in keys.candidates(intent) if lifecycle.is_key_of(booking, key)), None)


def _settle(request: HttpRequest, booking: Booking) -> None:
    """The stay is booked or given up: who wants it once more has a new wish."""
    (shown,) = show_bookings([booking], now=clock.now())
    key = _key_of(request, booking, shown.intent)
    if key is not None and shown.intent is not None:
        caller = visitors.caller_of(request)
        keys = IntentKeys(request.session, caller, visitors.guest_of(request))
        keys.settle(shown.intent, key)


def _known_guest(request: HttpRequest, booking: Booking) -> dict[str, str]:
    """What the form begins with: what the hold was told, else what the account knows."""
    known = {**vars(booking.guest), "notes": booking.notes}
    if booking.guest == Guest() and request.user.is_authenticated:
        user = cast(AbstractUser, request.user)
        known["name"], known["email"] = user.get_full_name(), user.email
    return known


def _booking_url(booking: Booking) -> str:
    return reverse("booking", args=[str(booking.id)])


def _typed_details(request: HttpRequest) -> dict[str, Any]:
    """What was typed in before the hold ran out, as the API would be sent it; what is not
    valid is left out."""
    form = GuestForm(request.POST)
    form.is_valid()
    told = {name: value for name, value in vars(form.guest).items() if value}
    details: dict[str, Any] = {"guest": told} if told else {}
    if notes := form.cleaned_data.get("notes"):
        details["notes"] = notes
    return details


def _payload(intent: Intent, total: int, details: dict[str, Any]) -> dict[str, Any]:
    """The wish as the API would be sent it."""
    room = {"categoryId": intent.category, "guests": intent.guests}
    payload: dict[str, Any] = room if intent.rooms == 1 else {"rooms": [room] * intent.rooms}
    payload |= {
        "checkIn": intent.arrival.isoformat(),
        "checkOut": intent.departure.isoformat(),
        "hold": True,
        "quotedTotal": total,
    }
    return {**payload, **details}

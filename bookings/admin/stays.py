"""Bookings in the admin. Only services add, confirm, move and cancel them."""

import json
from datetime import date, timedelta
from typing import Any

from bson import ObjectId
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.urls import path
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.http import require_POST, require_safe

from bookings.admin.actors import name_actors
from bookings.admin.booking_form import BookingForm
from bookings.admin.booking_page.pages import BookingPages
from bookings.admin.choices import (
    RoomsSelect,
    compare_prices,
    move_groups,
    read_ids,
    room_names_at,
)
from bookings.admin.desk.access import LOOK, may_any
from bookings.admin.desk.choosing import (
    back_to_calendar,
    choose_or_say,
    is_number,
    read_day,
    read_shift,
)
from bookings.admin.desk.guests import state_of
from bookings.admin.desk.marks import PRESENCE_LABELS, mark_buttons, night_to_release
from bookings.admin.desk.still_there import StillThere, tell_still_there
from bookings.admin.forms import SHOW, DayField, KeyedForm, RoomIdsField, new_key
from bookings.admin.newest import LOOKED_THROUGH, MAX_LISTED, CreatedFilter
from bookings.admin.own_hotels import is_own, list_own, list_recent_own, own_hotels
from bookings.admin.records import (
    BookingHotelFilter,
    moment_at,
    name_told,
    place_of,
    staff,
)
from bookings.admin.staff_requests import StaffRequest, is_of_staff, may
from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.domain.booking import (
    CHECKED_IN,
    EXPIRED,
    PENDING,
    STATUSES,
    STAY,
    Booking,
    Price,
)
from bookings.domain.callers import caller_of_user
from bookings.domain.money import format_money
from bookings.domain.stay_request import MAX_TOTAL, read_seen_field
from bookings.front_desk.days import find_who_has_not_left
from bookings.front_desk.guest_search import KnownGuest, find_known_guests, find_stay_ids
from bookings.front_desk.move_options import RoomOption, find_move_options, price_of_move
from bookings.infrastructure import clock
from bookings.infrastructure.quantities import quantity
from bookings.models import BookingRecord
from bookings.presentation.days import day_text, stay_text, with_days_in_words
from bookings.refusals import ValidationFailed
from bookings.stays import answers, create, lifecycle, queries
from bookings.stays.outcomes import Outcome

# The right to sell at another price than the calendar's.
REPRICE = "bookings.reprice_bookingrecord"

SHOW_PRICE_FIRST = "Nothing is moved yet. Look at the rooms and the price below, then press Move."

# How many of the bookings found the list's filters look through.
MAX_FOUND = 1_000


class StatusFilter(admin.SimpleListFilter):
    """Filters by the status now: a hold that ran out is expired, tidied or not."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status, status) for status in STATUSES]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[BookingRecord]
    ) -> QuerySet[BookingRecord]:
        now = clock.now()
        dead = Q(status=PENDING, expires_at__lte=now)
        match self.value():
            case None:
                return queryset
            case "pending":
                return queryset.filter(status=PENDING, expires_at__gt=now)
            case "expired":
                return queryset.filter(Q(status=EXPIRED) | dead)
            case status:
                return queryset.filter(status=status)


class MoveForm(KeyedForm):
    """The dates and rooms to move a booking to."""

    button = "Move"
    shown_beside = {
        "rooms": "rooms",
        "checkIn": "check_in",
        "checkOut": "check_out",
        "version": "version",
    }
    asks_after = "check_out"

    # The version of the booking when the form was opened.
    version = forms.IntegerField(
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(("required", "invalid"), lifecycle.CHANGED_SINCE),
    )
    # The total and its currency that the form showed for the chosen rooms and dates.
    quoted = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_TOTAL,
        widget=forms.HiddenInput(attrs={"data-offer": True}),
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), SHOW_PRICE_FIRST),
    )
    currency = forms.CharField(
        required=False, max_length=3, widget=forms.HiddenInput(attrs={"data-offer": True})
    )
    check_in = DayField(label="Check-in")
    check_out = DayField(label="Check-out")
    rooms = RoomIdsField(
        widget=RoomsSelect,
        help_text="Rooms that are free for these dates. Nights that were booked keep their price.",
    )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if not self.errors and values["quoted"] is None:
            self.add_error(None, SHOW_PRICE_FIRST)
        return values

    def show_where(self, booking: Booking) -> None:
        """Replaces the sent values with the booking's present ones; the faults stay."""
        assert isinstance(self.data, QueryDict), "it is a browser's form"
        data = self.data.copy()
        data["version"] = str(booking.version)
        data["check_in"] = booking.check_in.isoformat()
        data["check_out"] = booking.check_out.isoformat()
        data.setlist("rooms", booking.room_ids)
        self.data = data

    def offer(self, booking: Booking) -> None:
        """Fills a list for each of the booking's rooms with the rooms free on the form's dates,
        says what the chosen ones cost, and remembers the total that was said."""
        self._quote(None)
        found: tuple[tuple[RoomOption, ...], ...] = tuple(() for _ in booking.rooms)
        try:
            check_in, check_out = (
                self.fields[name].clean(self[name].value()) for name in ("check_in", "check_out")
            )
            found = find_move_options(booking, check_in, check_out)
        except forms.ValidationError:
            self.offered = "Choose dates to see which rooms are free."
        except ValidationFailed as refusal:
            self.offered = with_days_in_words(" ".join(each.message for each in refusal.faults))
        else:
            count = len({option.room.id for options in found for option in options})
            self.offered = f"Free for these dates: {count} room{'' if count == 1 else 's'}."
            self.offered += self._preview(booking, found, check_in, check_out)
        names = inventory.room_names(booking.room_ids)
        if len(booking.rooms) > 1:
            self.offered += f" All {len(booking.rooms)} rooms of this booking get these dates."
        self.fields["rooms"].widget.hotel = booking.hotel
        self.fields["rooms"].widget.positions = [
            (
                f"Room {number}: {names.get(booked.room, booked.room)} now, "
                f"{quantity(booked.guests, 'guest')}",
                move_groups(options, booked, booking.price),
            )
            for number, (booked, options) in enumerate(
                zip(booking.rooms, found, strict=True), start=1
            )
        ]

    def _preview(
        self,
        booking: Booking,
        found: tuple[tuple[RoomOption, ...], ...],
        check_in: date,
        check_out: date,
    ) -> str:
        """The price in the chosen rooms, or which of them are not free, as a sentence."""
        chosen = read_ids(str(self["rooms"].value() or ""))
        free = [{option.room.id for option in options} for options in found]
        if len(chosen) != len(free):
            return ""
        taken = [room for room, rooms in zip(chosen, free, strict=True) if room not in rooms]
        if taken:
            names = room_names_at(booking.hotel, taken)
            listed = ", ".join(names.get(room, room) for room in taken)
            return f" Not free or not possible for these dates: {listed}."
        try:
            then = price_of_move(booking, chosen, check_in, check_out)
        except ValidationFailed as refusal:
            return with_days_in_words("".join(f" {fault.message}" for fault in refusal.faults))
        self._quote(then)
        return f" {compare_prices(booking.price, then)}"

    def _quote(self, price: Price | None) -> None:
        self._set("quoted", price.total if price else "")
        self._set("currency", price.currency if price else "")


@admin.register(BookingRecord)
class BookingAdmin(BookingPages):
    kind = STAY
    # A hundred rows take twice as long to draw, and are very many cards on a telephone.
    list_per_page = 50
    list_display = (
        "reference",
        "state",
        "hotel_name",
        "room_names",
        "arrival",
        "departure",
        "guest_name",
        "listed_total",
    )
    list_filter = (StatusFilter, BookingHotelFilter, CreatedFilter)
    filter_parameters = ("status", "hotel", "first", "last")
    # Only shows the search field: `get_search_results` does the search.
    search_fields = ("reference",)
    search_help_text = (
        "Type the name of a room, or the beginning of the guest's name, e-mail or phone number, or "
        "of the reference. "
        f"Without a search, this list shows the newest {MAX_LISTED:,}, and filters look among the "
        f"newest {LOOKED_THROUGH:,}, or the newest of the chosen days."
    )
    actions = ("confirm_selected", "cancel_selected")
    change_form_template = "admin/bookings/bookingrecord/change_form.html"
    cancel_title = "Cancel a booking"
    cancel_several_title = "Cancel bookings"
    cancel_template = "admin/bookings/bookingrecord/cancel.html"
    fieldsets = (
        (None, {"fields": ("reference", "current_status", "hold_ends")}),
        (
            "Stay",
            {"fields": ("hotel_name", "room_names", "arrival", "departure", "guests", "total")},
        ),
        (
            "Guest",
            {"fields": ("guest_name", "guest_email", "guest_phone", "notes", "language_name")},
        ),
        ("People", {"fields": ("owner_name", "user_of_owner", "caller_name")}),
        ("Times", {"fields": ("made", "last_changed")}),
    )

    # --- Reading ------------------------------------------------------------------------------

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[BookingRecord], search_term: str
    ) -> tuple[QuerySet[BookingRecord], bool]:
        if not search_term.strip():
            return queryset, False
        found = find_stay_ids(
            search_term,
            hotels=list_own(request),
            limit=MAX_FOUND + 1,
            only=own_hotels(request),
        )
        if len(found) > MAX_FOUND:
            text = (
                "Too many bookings match. These are among the newest "
                f"{MAX_FOUND:,}; type more to narrow the search."
            )
            self.message_user(request, text, messages.WARNING, fail_silently=True)
        return queryset.filter(pk__in=found[:MAX_FOUND]), False

    @admin.display(description="status")
    def state(self, record: BookingRecord) -> str:
        """The status, or the desk's mark, as *Find a guest* says it."""
        return state_of(record)

    @admin.display(description="check-in")
    def arrival(self, record: BookingRecord) -> str:
        return day_text(record.check_in)

    @admin.display(description="check-out")
    def departure(self, record: BookingRecord) -> str:
        return day_text(record.check_out)

    @admin.display(description="hold ends")
    def hold_ends(self, record: BookingRecord) -> str:
        return moment_at(record, record.expires_at) if record.expires_at else "-"

    @admin.display(description="language of mails")
    def language_name(self, record: BookingRecord) -> str:
        booking = queries.find_booking(record.pk)
        language = booking.language if booking else ""
        return dict(settings.LANGUAGES).get(language, language)

    @admin.display(description="guest name")
    def guest_name(self, record: BookingRecord) -> str:
        return record.guest["name"]

    @admin.display(description="guest e-mail")
    def guest_email(self, record: BookingRecord) -> str:
        return record.guest["email"]

    @admin.display(description="guest phone")
    def guest_phone(self, record: BookingRecord) -> str:
        return record.guest["phone"]

    @admin.display(description="total")
    def total(self, record: BookingRecord) -> str:
        return format_money(record.price["total"], record.price["currency"])

    @admin.display(description="total")
    def listed_total(self, record: BookingRecord) -> str:
        """The total, with a hidden field that tells *Confirm selected* what the row shows."""
        seen = {
            "checkIn": record.check_in,
            "checkOut": record.check_out,
            "quotedTotal": record.price["total"],
            "resourceIds": [booked["room"] for booked in record.rooms],
        }
        return format_html(
            '{}<input type="hidden" name="seen-{}" value="{}">',
            self.total(record),
            record.pk,
            json.dumps(seen),
        )

    @admin.display(description="owner")
    def owner_name(self, record: BookingRecord) -> str:
        return name_actors([record.owner])[record.owner]

    @admin.display(description="user id")
    def user_of_owner(self, record: BookingRecord) -> str:
        """The id, by which a partner knows its guest; that of a browser means nothing to staff."""
        return "-" if record.owner.startswith("guest:") else record.user_id

    @admin.display(description="booked by")
    def caller_name(self, record: BookingRecord) -> str:
        return name_actors([record.caller])[record.caller]

    def describe(self, request: HttpRequest, booking: Booking) -> dict[str, Any]:
        status = booking.status_at(clock.now())
        hotel = inventory.find_hotel(booking.hotel)
        marks = (
            mark_buttons(booking, status, clock.today(hotel.time_zone))
            if self.has_act_permission(request) and hotel
            else ()
        )
        return {
            **self.describe_surroundings(request, booking),
            "nights": [
                (night, format_money(amount, booking.price.currency))
                for night, amount in booking.price.nights
            ],
            "seen": json.dumps(answers.describe_seen(booking)),
            "presence": PRESENCE_LABELS[booking.presence],
            "seen_presence": booking.presence,
            "released_from": booking.released_from,
            "still_there": _find_still_there(booking, status, hotel) if hotel else (),
            "marks": marks,
            "releasable": hotel and night_to_release(booking, marks, hotel.desk_day()),
            "release_no_shows": hotel and hotel.release_no_shows,
            "mark_key": new_key(),
        }

    # --- Adding -------------------------------------------------------------------------------

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Books under the form's key, so that sending the form twice books once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        hotels = tuple(list_own(request))
        if request.method != "POST" or SHOW in request.POST:
            form = BookingForm.again(request.POST) if request.POST else _open_form(request, hotels)
            return self._show_booking_form(request, form, hotels)
        assert is_of_staff(request), "the admin site asks for a login first"
        form = BookingForm(request.POST)
        form.may_reprice = may(request, REPRICE)
        outcome = form.send(lambda: _book(request, form))
        if outcome is None:
            return self._show_booking_form(request, form, hotels)
        booking = outcome.content["booking"]
        reference = booking["reference"]
        if outcome.replayed:
            text = f"This form has already made the booking {reference}; nothing new was booked."
            self.message_user(request, text, messages.WARNING)
        else:
            text = _acknowledge(outcome, form)
            record = BookingRecord(pk=ObjectId(booking["id"]), reference=reference)
            self.log_addition(request, record, text)
            self.message_user(request, f"{reference}: {text}", messages.SUCCESS)
        return self.show_record(request, booking["id"])

    def _show_booking_form(
        self, request: HttpRequest, form: BookingForm, hotels: tuple[HotelFacts, ...]
    ) -> HttpResponse:
        form.may_reprice = may(request, REPRICE)
        form.finds_guests = may_any(request, LOOK)
        form.offer(hotels)
        template = "admin/bookings/bookingrecord/booking_form.html"
        return self.show_form(request, form, "Book a room", template=template)

    def look_up_guests(self, request: HttpRequest) -> HttpResponse:
        """The earlier guests of the user's hotels that a name, address or number may mean."""
        if not (self.has_add_permission(request) and may_any(request, LOOK)):
            raise PermissionDenied
        found = find_known_guests(
            request.GET.get("q", ""), hotels=list_recent_own(request), only=own_hotels(request)
        )
        return JsonResponse({"guests": [_describe_guest(known) for known in found]})

    # --- Confirming, moving, cancelling -------------------------------------------------------

    def get_urls(self) -> list[Any]:
        look_up = self.admin_site.admin_view(require_safe(self.look_up_guests))
        pages = [
            path("add/guests/", look_up, name="bookings_bookingrecord_guests"),
            self.page("confirm", self.confirm_one),
            self.page("move", self.move_one),
        ]
        return [*pages, *super().get_urls()]

    @method_decorator(require_POST)
    def confirm_one(self, request: StaffRequest, booking_id: str) -> HttpResponse:
        """Confirms the booking as its page showed it."""
        self.change_each(request, [self.find(request, booking_id)], _confirm)
        return self.show_record(request, booking_id)

    @admin.action(description="Confirm selected bookings", permissions=["act"])
    def confirm_selected(self, request: StaffRequest, queryset: QuerySet[BookingRecord]) -> None:
        self.change_each(request, self.take(request, queryset), _confirm)

    @admin.action(description="Cancel selected bookings", permissions=["act"])
    def cancel_selected(
        self, request: StaffRequest, queryset: QuerySet[BookingRecord]
    ) -> HttpResponse | None:
        return self.cancel_each(request, self.take(request, queryset))

    def move_one(self, request: StaffRequest, booking_id: str) -> HttpResponse:
        """Moves under the form's key, so that sending the form twice moves once."""
        record = self.find(request, booking_id)
        before = queries.find_booking(booking_id)
        assert before is not None, "a booking is never deleted"
        title = f"Move {before.guest.name or 'the booking'}, {before.reference}"
        if request.method != "POST" or SHOW in request.POST:
            form = MoveForm.again(request.POST) if request.POST else _open_move(request, before)
            form.offer(before)
            return self.show_form(request, form, title, record)
        form = MoveForm(request.POST)
        outcome = form.send(lambda: _move(request, booking_id, form))
        if outcome is None:
            current = queries.find_booking(booking_id) or before
            if form.has_error("version"):
                form.show_where(current)
            form.offer(current)
            return self.show_form(request, form, title, record)
        # Nothing changed between reading `before` and the move, or the form's version would no
        # longer have been the booking's.
        told = [answers.describe(before, now=clock.now()), outcome.content["booking"]]
        names = name_told(told)
        old, new = (place_of(each, names) for each in told)
        if outcome.replayed:
            text = "This form has already moved the booking; nothing was moved again."
            level = messages.WARNING
        elif old == new:
            level, text = messages.WARNING, outcome.content["message"]
        else:
            level, text = messages.SUCCESS, f"Moved from {old} to {new}."
            self.log_change(request, record, text)
        self.message_user(request, f"{record}: {text}", level)
        return back_to_calendar(request) or self.show_record(request, booking_id)


def _open_move(request: HttpRequest, booking: Booking) -> MoveForm:
    """The form, filled in with where the booking is, or with where the URL would have it: the link
    for a guest who left early has shorter dates, and the calendar moves it `shift` nights on and
    from one room `from` to another `to`, if it is still in the version that the calendar shows."""
    asked = request.GET
    shift = timedelta(days=read_shift(asked.get("shift", "")))
    version = asked.get("version", "")
    return MoveForm.new(
        version=int(version) if is_number(version) else booking.version,
        rooms=tuple(
            asked.get("to", "") if room == asked.get("from") else room for room in booking.room_ids
        ),
        check_in=asked.get("check_in") or booking.check_in + shift,
        check_out=asked.get("check_out") or booking.check_out + shift,
    )


def _find_still_there(booking: Booking, status: str, hotel: HotelFacts) -> tuple[StillThere, ...]:
    """The guests who have not left the rooms of a stay that can be checked in."""
    buttons = mark_buttons(booking, status, clock.today(hotel.time_zone))
    if CHECKED_IN not in dict(buttons):
        return ()
    others = find_who_has_not_left(hotel, booking.room_ids)
    names = inventory.room_names(booking.room_ids) if others else {}
    return tell_still_there(booking.room_ids, others, names)


def _open_form(request: HttpRequest, hotels: tuple[HotelFacts, ...]) -> BookingForm:
    """The form, filled in from the URL: a hotel, room or category, dates and guests."""
    asked = request.GET
    room = inventory.find_room(asked.get("room", ""))
    category = inventory.find_category(room.category if room else asked.get("category", ""))
    if category and not is_own(request, category.hotel):
        room = category = None
    wanted = category.hotel if category else asked.get("hotel", "")
    hotel = choose_or_say(request, hotels, wanted)
    if hotel is None:
        return BookingForm.new()
    today = hotel.desk_day()
    check_in = read_day(asked.get("check_in", ""), today) or today
    check_out = read_day(asked.get("check_out", ""), today) or check_in + timedelta(days=1)
    form = BookingForm.new(
        hotel=hotel.id,
        room=room.id if room else "",
        category=category.id if category and not room else "",
        check_in=check_in,
        check_out=check_out,
        guests=asked.get("guests") or 1,
    )
    if category:
        # What is asked next.
        form.fields["guest_name"].widget.attrs["autofocus"] = True
    return form


def _book(request: StaffRequest, form: BookingForm) -> Outcome:
    owner = form.cleaned_data["owner"]
    # The booking keeps the language that is active when it is made.
    with translation.override(form.cleaned_data["guest_language"] or settings.LANGUAGE_CODE):
        return create.create_booking(
            caller=staff(request),
            owner=caller_of_user(owner.pk) if owner else None,
            key_header=form.cleaned_data["key"],
            read_payload=form.payload,
            deadline=request.deadline,
            as_staff=True,
            may_reprice=form.may_reprice,
            shown_in=form.cleaned_data["currency"],
        )


def _describe_guest(known: KnownGuest) -> dict[str, str]:
    """The guest for the form's list, with the stay by which people tell two of one name apart."""
    guest = known.guest
    reached = " · ".join(each for each in (guest.email, guest.phone) if each)
    stay = f"{known.hotel}, {stay_text(known.check_in, known.check_out)}"
    return {**vars(guest), "language": known.language, "reached": reached, "stay": stay}


def _acknowledge(outcome: Outcome, form: BookingForm) -> str:
    """The message for staff about a new booking. It does not mention keys, and names an agreed
    price, and the rooms that were chosen from a category.

    The admin's log keeps it for good. So it has no word that was typed: an erasure finds those in
    the booking, and not in the log.
    """
    booking = outcome.content["booking"]
    text: str = outcome.content["message"]
    if booking["status"] == PENDING:
        text = "The room is held. Confirm the booking here before the hold runs out."
    if form.cleaned_data["total"] is not None:
        agreed = format_money(booking["price"]["total"], booking["price"]["currency"])
        text = f"{text} Another price was agreed: {agreed}."
        stored = queries.find_booking(booking["id"])
        if stored and stored.agreed_because != form.cleaned_data["price_reason"]:
            text = f"{text} You held it before, so what was noted about its price then stays."
    if form.cleaned_data["room"]:
        return text
    names = name_told([booking])
    ids = [booked["resourceId"] for booked in booking["rooms"]]
    return f"{text} Chosen: {', '.join(names.get(room_id, room_id) for room_id in ids)}."


def _confirm(request: StaffRequest, booking_id: str) -> Outcome:
    """Confirms what the page showed: the page of one booking, or a row of the list."""
    seen = request.POST.get("seen") or request.POST.get(f"seen-{booking_id}") or "{}"
    return lifecycle.confirm_booking(
        actor=staff(request),
        booking_id=booking_id,
        key_header=None,
        deadline=request.deadline,
        as_staff=True,
        read_seen=lambda: read_seen_field(seen),
    )


def _move(request: StaffRequest, booking_id: str, form: MoveForm) -> Outcome:
    return lifecycle.move_booking(
        actor=staff(request),
        booking_id=booking_id,
        key_header=form.cleaned_data["key"],
        deadline=request.deadline,
        room_ids=form.cleaned_data["rooms"],
        check_in=form.cleaned_data["check_in"],
        check_out=form.cleaned_data["check_out"],
        seen_version=form.cleaned_data["version"],
        quoted=(form.cleaned_data["quoted"], form.cleaned_data["currency"]),
    )

"""Bookings: listed, shown, added under a key, confirmed, moved and cancelled, by services alone."""

from typing import Any

from bson import ObjectId
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from bookings import answers, clock, lifecycle, lookups, services
from bookings.admin.booking_form import BookingForm
from bookings.admin.forms import DayField, KeyedForm, RoomIdsField
from bookings.admin.records import HotelFilter, RecordAdmin, name_people, place_of, staff
from bookings.callers import caller_of_user
from bookings.documents import ACTIVE, EXPIRED, PENDING, STATUSES, STAY, Booking
from bookings.models import BookingRecord, DeliveryRecord
from bookings.money import format_money
from bookings.outcomes import Outcome


class StatusFilter(admin.SimpleListFilter):
    """By the status as it is now: a hold that ran out is expired, tidied or not."""

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
    """Where a booking is to be."""

    button = "Move"
    shown_beside = {"rooms": "rooms", "checkIn": "check_in", "checkOut": "check_out"}

    rooms = RoomIdsField(
        help_text="The ids, in the order of the booking's rooms: one per line, or with commas."
    )
    check_in = DayField(label="Check-in")
    check_out = DayField(label="Check-out")


@admin.register(BookingRecord)
class BookingAdmin(RecordAdmin):
    kind = STAY
    event_labels = {"erased": "guest’s data erased"}
    list_display = (
        "reference",
        "current_status",
        "hotel",
        "room_ids",
        "check_in",
        "check_out",
        "guest_name",
        "total",
    )
    list_filter = (StatusFilter, HotelFilter, "created_at")
    date_hierarchy = "created_at"
    search_fields = ("reference", "guest__name", "guest__email")
    search_help_text = "Reference, or name or e-mail of the guest"
    actions = ("confirm_selected", "cancel_selected")
    change_form_template = "admin/bookings/bookingrecord/change_form.html"
    cancel_title = "Cancel bookings"
    cancel_template = "admin/bookings/bookingrecord/cancel.html"
    fieldsets = (
        (None, {"fields": ("reference", "current_status", "expires_at")}),
        ("Stay", {"fields": ("hotel", "room_ids", "check_in", "check_out", "guests", "total")}),
        ("Guest", {"fields": ("guest_name", "guest_email", "guest_phone", "notes")}),
        ("People", {"fields": ("owner_name", "user_id", "caller_name")}),
        ("Times", {"fields": ("created_at", "updated_at")}),
    )

    # --- Reading ------------------------------------------------------------------------------

    @admin.display(description="guest name")
    def guest_name(self, record: BookingRecord) -> str | None:
        return record.guest["name"] or None

    @admin.display(description="guest e-mail")
    def guest_email(self, record: BookingRecord) -> str:
        return record.guest["email"]

    @admin.display(description="guest phone")
    def guest_phone(self, record: BookingRecord) -> str:
        return record.guest["phone"]

    @admin.display(description="total")
    def total(self, record: BookingRecord) -> str:
        return format_money(record.price["total"], record.price["currency"])

    @admin.display(description="owner")
    def owner_name(self, record: BookingRecord) -> str:
        return name_people([record.owner])[record.owner]

    @admin.display(description="booked by")
    def caller_name(self, record: BookingRecord) -> str:
        return name_people([record.caller])[record.caller]

    def describe(self, request: HttpRequest, booking: Booking) -> dict[str, Any]:
        status = booking.status_at(clock.now())
        may_act = self.has_act_permission(request)
        return {
            "told": DeliveryRecord.objects.filter(booking=booking.id).order_by("at"),
            "may_see_told": request.user.has_perm(  # type: ignore[union-attr]
                "bookings.view_deliveryrecord"
            ),
            "nights": [
                (night, format_money(amount, booking.price.currency))
                for night, amount in booking.price.nights
            ],
            # A hold that ran out may be confirmed for a while; the service knows how long.
            "may_confirm": may_act and status in (PENDING, EXPIRED),
            "may_move": may_act and status in ACTIVE,
            "may_cancel": may_act and status in ACTIVE,
        }

    # --- Adding -------------------------------------------------------------------------------

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Books under the key in the form, so that sending the form twice books once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self.show_form(request, BookingForm.new(), "Book a room")
        form = BookingForm(request.POST)
        outcome = form.send(lambda: _book(request, form))
        if outcome is None:
            return self.show_form(request, form, "Book a room")
        booking = outcome.content["booking"]
        reference = booking["reference"]
        if outcome.replayed:
            text = f"This form had made the booking {reference} already; nothing new was booked."
            self.message_user(request, text, messages.WARNING)
        else:
            text = _acknowledge(outcome, by_category=not form.cleaned_data["room"])
            record = BookingRecord(pk=ObjectId(booking["id"]), reference=reference)
            self.log_addition(request, record, text)
            self.message_user(request, f"{reference}: {text}", messages.SUCCESS)
        return self.show_record(request, booking["id"])

    # --- Confirming, moving, cancelling -------------------------------------------------------

    def get_urls(self) -> list[Any]:
        pages = [self.page("confirm", self.confirm_one), self.page("move", self.move_one)]
        return [*pages, *super().get_urls()]

    @method_decorator(require_POST)
    def confirm_one(self, request: HttpRequest, booking_id: str) -> HttpResponse:
        self.change_each(request, [self.find(request, booking_id)], _confirm)
        return self.show_record(request, booking_id)

    @admin.action(description="Confirm selected bookings", permissions=["act"])
    def confirm_selected(self, request: HttpRequest, queryset: QuerySet[BookingRecord]) -> None:
        self.change_each(request, self.take(request, queryset), _confirm)

    @admin.action(description="Cancel selected bookings", permissions=["act"])
    def cancel_selected(
        self, request: HttpRequest, queryset: QuerySet[BookingRecord]
    ) -> HttpResponse | None:
        return self.cancel_each(request, self.take(request, queryset))

    def move_one(self, request: HttpRequest, booking_id: str) -> HttpResponse:
        """Moves under the key in the form, so that sending the form twice moves once."""
        record = self.find(request, booking_id)
        before = lookups.find_booking(booking_id)
        assert before is not None, "a booking is never deleted"
        title = f"Move {record}"
        if request.method != "POST":
            rooms = [booked.room for booked in before.rooms]
            dates = {"check_in": before.check_in, "check_out": before.check_out}
            return self.show_form(request, MoveForm.new(rooms=rooms, **dates), title, record)
        form = MoveForm(request.POST)
        outcome = form.send(lambda: _move(request, booking_id, form))
        if outcome is None:
            return self.show_form(request, form, title, record)
        old = place_of(answers.describe(before, now=clock.now()))
        new = place_of(outcome.content["booking"])
        if outcome.replayed:
            text = "This form had moved the booking already; nothing was moved again."
            level = messages.WARNING
        elif old == new:
            level, text = messages.WARNING, outcome.content["message"]
        else:
            level, text = messages.SUCCESS, f"Moved from {old} to {new}."
            self.log_change(request, record, text)
        self.message_user(request, f"{record}: {text}", level)
        return self.show_record(request, booking_id)


def _book(request: HttpRequest, form: BookingForm) -> Outcome:
    owner = form.cleaned_data["owner"]
    return services.create_booking(
        caller=staff(request),
        owner=caller_of_user(owner.pk) if owner else None,
        key_header=form.cleaned_data["key"],
        read_payload=form.payload,
        deadline=request.deadline,  # type: ignore[attr-defined]
        as_staff=True,
    )


def _acknowledge(outcome: Outcome, *, by_category: bool) -> str:
    """What staff are told of a new booking; they choose no key and name no room of a category."""
    booking = outcome.content["booking"]
    text: str = outcome.content["message"]
    if booking["status"] == PENDING:
        text = "The room is held; confirm it here before the hold runs out."
    if not by_category:
        return text
    return f"{text} Chosen: {', '.join(booked['resourceId'] for booked in booking['rooms'])}."


def _confirm(request: HttpRequest, booking_id: str) -> Outcome:
    return lifecycle.confirm_booking(
        actor=staff(request),
        booking_id=booking_id,
        key_header=None,
        deadline=request.deadline,  # type: ignore[attr-defined]
        as_staff=True,
    )


def _move(request: HttpRequest, booking_id: str, form: MoveForm) -> Outcome:
    return lifecycle.move_booking(
        actor=staff(request),
        booking_id=booking_id,
        key_header=form.cleaned_data["key"],
        deadline=request.deadline,  # type: ignore[attr-defined]
        room_ids=form.cleaned_data["rooms"],
        check_in=form.cleaned_data["check_in"],
        check_out=form.cleaned_data["check_out"],
    )

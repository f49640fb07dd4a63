"""Bookings: read in the list and on their page, changed by services alone.

A booking's document is never saved from here: saving writes every field, and so would undo
what a guest changed meanwhile.
"""

from collections.abc import Callable, Iterable
from typing import Any

from bson import ObjectId
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from bookings import clock, lifecycle, repository, services
from bookings.admin.booking_form import BookingForm, new_key
from bookings.callers import Caller, caller_of_user
from bookings.documents import ACTIVE, EXPIRED, PENDING, STATUSES
from bookings.errors import IdempotencyInProgress, KeyReused, Refusal, TryAgain
from bookings.models import ApiClient, BookingRecord, Hotel
from bookings.money import format_money
from bookings.services import Outcome

# A request has ten seconds; this many changes take about one.
MAX_AT_ONCE = 100

# Where the API's sentence speaks of keys, which nobody sees here.
FORM_MESSAGES = {
    IdempotencyInProgress.code: "This form is being worked on; press Book again in a moment.",
    KeyReused.code: "This form was sent before with other details; look for its booking in the "
    "list, or press Book again for another one.",
    TryAgain.code: "The booking system cannot answer just now; press Book again in a moment.",
}

KEPT_CODES = frozenset(kind.code for kind in Refusal.__subclasses__() if kind.is_definite)


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


class HotelFilter(admin.SimpleListFilter):
    """Names come from the catalogue: asking the bookings for them would read them all."""

    title = "hotel"
    parameter_name = "hotel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(Hotel.objects.values_list("id", "name"))

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[BookingRecord]
    ) -> QuerySet[BookingRecord]:
        return queryset.filter(hotel=self.value()) if self.value() else queryset


@admin.register(BookingRecord)
class BookingAdmin(admin.ModelAdmin):
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
    # Only the newest first: no index serves another order, and there are many bookings.
    sortable_by = ()
    list_filter = (StatusFilter, HotelFilter, "created_at")
    date_hierarchy = "created_at"
    search_fields = ("reference", "guest__name", "guest__email")
    search_help_text = "Reference, or name or e-mail of the guest"
    show_full_result_count = False
    actions = ("confirm_selected", "cancel_selected")
    change_form_template = "admin/bookings/bookingrecord/change_form.html"
    fieldsets = (
        (None, {"fields": ("reference", "current_status", "expires_at")}),
        ("Stay", {"fields": ("hotel", "room_ids", "check_in", "check_out", "guests", "total")}),
        ("Guest", {"fields": ("guest_name", "guest_email", "guest_phone", "notes")}),
        ("People", {"fields": ("owner_name", "user_id", "caller_name")}),
        ("Times", {"fields": ("created_at", "updated_at")}),
    )

    # --- Who may: bookings are added, confirmed and cancelled, never edited or deleted --------

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whoever may change bookings may confirm and cancel them."""
        return super().has_change_permission(request)

    # --- Reading ------------------------------------------------------------------------------

    @admin.display(description="status")
    def current_status(self, record: BookingRecord) -> str:
        return current_status(record)

    @admin.display(description="rooms")
    def room_ids(self, record: BookingRecord) -> str:
        return ", ".join(booked["room"] for booked in record.rooms)

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

    @admin.display(description="owner")
    def owner_name(self, record: BookingRecord) -> str:
        return name_people([record.owner])[record.owner]

    @admin.display(description="booked by")
    def caller_name(self, record: BookingRecord) -> str:
        return name_people([record.caller])[record.caller]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        booking = repository.find_booking(object_id)
        context = dict(extra_context or {})
        if booking is not None:
            status = booking.status_at(clock.now())
            may_act = self.has_act_permission(request)
            names = name_people(change.actor for change in booking.history)
            context |= {
                "nights": [
                    (night, format_money(amount, booking.price.currency))
                    for night, amount in booking.price.nights
                ],
                "changes": [
                    (change.at, change.event, names[change.actor]) for change in booking.history
                ],
                # A hold that ran out may be confirmed for a while; the service knows how long.
                "may_confirm": may_act and status in (PENDING, EXPIRED),
                "may_cancel": may_act and status in ACTIVE,
            }
        return super().change_view(request, object_id, form_url, context)

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
            return self._show_form(request, BookingForm(initial={"key": new_key()}))
        form = BookingForm(request.POST)
        if not form.is_valid():
            return self._show_form(request, form)
        owner = form.cleaned_data["owner"]
        try:
            outcome = services.create_booking(
                caller=_staff(request),
                owner=caller_of_user(owner.pk) if owner else None,
                key_header=form.cleaned_data["key"],
                read_payload=form.payload,
                deadline=request.deadline,  # type: ignore[attr-defined]
            )
        except Refusal as refusal:
            form.add_error(None, FORM_MESSAGES.get(refusal.code, refusal.detail))
            if refusal.code == KeyReused.code:
                form.renew_key()
            return self._show_form(request, form)
        if outcome.code is None:
            return self._show_success(request, outcome)
        self._add_refusal(form, outcome)
        return self._show_form(request, form)

    def _add_refusal(self, form: BookingForm, outcome: Outcome) -> None:
        content = outcome.content
        if "errors" in content:
            form.add_faults(content["errors"])
        elif outcome.payload_mismatch:
            # The answer is about what the form said when it was sent first.
            form.add_error(
                None, "This form was refused before; press Book to send it as it is now."
            )
        else:
            form.add_error(None, FORM_MESSAGES.get(content["code"], content["error"]))
        # A refusal that is kept under the key would be all that this key ever answers.
        if outcome.code in KEPT_CODES:
            form.renew_key()

    def _show_success(self, request: HttpRequest, outcome: Outcome) -> HttpResponse:
        booking = outcome.content["booking"]
        reference = booking["reference"]
        if outcome.replayed:
            text = f"This form had made the booking {reference} already; nothing new was booked."
            self.message_user(request, text, messages.WARNING)
        else:
            message = outcome.content["message"]
            record = BookingRecord(pk=ObjectId(booking["id"]), reference=reference)
            self.log_addition(request, record, message)
            self.message_user(request, f"{reference}: {message}", messages.SUCCESS)
        return HttpResponseRedirect(self._address(request, booking["id"]))

    def _show_form(self, request: HttpRequest, form: BookingForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Book a room",
            "opts": self.opts,
            "form": form,
            "has_view_permission": self.has_view_permission(request),
        }
        return TemplateResponse(request, "admin/bookings/bookingrecord/add.html", context)

    # --- Confirming and cancelling ------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "<str:booking_id>/confirm/",
                wrap(self.confirm_one),
                name="bookings_bookingrecord_confirm",
            ),
            path(
                "<str:booking_id>/cancel/",
                wrap(self.cancel_one),
                name="bookings_bookingrecord_cancel",
            ),
            *super().get_urls(),
        ]

    @method_decorator(require_POST)
    def confirm_one(self, request: HttpRequest, booking_id: str) -> HttpResponse:
        record = self._find(request, booking_id)
        self._change_each(request, [record], _confirm)
        return HttpResponseRedirect(self._address(request, booking_id))

    def cancel_one(self, request: HttpRequest, booking_id: str) -> HttpResponse:
        record = self._find(request, booking_id)
        if not request.POST.get("reason"):
            return self._ask_before_cancelling(request, [record])
        self._change_each(request, [record], _cancel)
        return HttpResponseRedirect(self._address(request, booking_id))

    @admin.action(description="Confirm selected bookings", permissions=["act"])
    def confirm_selected(self, request: HttpRequest, queryset: QuerySet[BookingRecord]) -> None:
        if records := self._take(request, queryset):
            self._change_each(request, records, _confirm)

    @admin.action(description="Cancel selected bookings", permissions=["act"])
    def cancel_selected(
        self, request: HttpRequest, queryset: QuerySet[BookingRecord]
    ) -> HttpResponse | None:
        records = self._take(request, queryset)
        if records and not request.POST.get("reason"):
            return self._ask_before_cancelling(request, records)
        self._change_each(request, records, _cancel)
        return None

    def _take(self, request: HttpRequest, queryset: QuerySet[BookingRecord]) -> list[BookingRecord]:
        records = list(queryset[: MAX_AT_ONCE + 1])
        if len(records) <= MAX_AT_ONCE:
            return records
        text = f"Select at most {MAX_AT_ONCE} bookings at a time; nothing was changed."
        self.message_user(request, text, messages.ERROR)
        return []

    def _ask_before_cancelling(
        self, request: HttpRequest, records: list[BookingRecord]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Cancel bookings",
            "opts": self.opts,
            "records": [
                (record, current_status(record), self.room_ids(record), self.guest_name(record))
                for record in records
            ],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/bookings/bookingrecord/cancel.html", context)

    def _change_each(
        self,
        request: HttpRequest,
        records: list[BookingRecord],
        change: Callable[[HttpRequest, str], Outcome],
    ) -> None:
        """Changes one booking after the other, with a message for each."""
        for record in records:
            try:
                outcome = change(request, str(record.pk))
            except Refusal as refusal:
                level, text = messages.ERROR, refusal.detail
            else:
                level, text = self._describe(request, record, outcome)
            self.message_user(request, f"{record.reference}: {text}", level)

    def _describe(
        self, request: HttpRequest, record: BookingRecord, outcome: Outcome
    ) -> tuple[int, str]:
        content = outcome.content
        if outcome.code is not None:
            return messages.ERROR, content["error"]
        text: str = content["message"]
        if not outcome.replayed:
            self.log_change(request, record, text)
            return messages.SUCCESS, text
        # A replay tells what was true then: a booking confirmed once may be cancelled since.
        current = repository.find_booking(record.pk)
        status = current.status_at(clock.now()) if current else "gone"
        if status == content["booking"]["status"]:
            return messages.SUCCESS, text
        return messages.ERROR, f"This was done before, and the booking is {status} now."

    def _find(self, request: HttpRequest, booking_id: str) -> BookingRecord:
        """The booking. Raises PermissionDenied for who may not change it."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        record = self.get_object(request, booking_id)
        if record is None:
            raise Http404
        return record

    def _address(self, request: HttpRequest, booking_id: str) -> str:
        """The booking's page, or the start page for who may add bookings but not see them."""
        if not self.has_view_permission(request):
            return reverse("admin:index")
        return reverse("admin:bookings_bookingrecord_change", args=[booking_id])


def current_status(record: BookingRecord) -> str:
    """The status as it is now; see `Booking.status_at`."""
    if record.status == PENDING and record.expires_at and record.expires_at <= clock.now():
        return EXPIRED
    return record.status


def name_people(labels: Iterable[str]) -> dict[str, str]:
    """Names for callers, owners and actors; whoever has no account stays as they are written."""
    wanted = set(labels)
    ids: dict[str, list[ObjectId]] = {"user": [], "client": []}
    for label in wanted:
        kind, _, id_text = label.partition(":")
        if kind in ids and ObjectId.is_valid(id_text):
            ids[kind].append(ObjectId(id_text))
    names = {label: label for label in wanted}
    for user in get_user_model()._default_manager.filter(pk__in=ids["user"]):
        names[f"user:{user.pk}"] = f"{user.get_username()} (user)"
    for client in ApiClient.objects.filter(pk__in=ids["client"]):
        names[f"client:{client.pk}"] = f"{client.name} (client)"
    return names


def _staff(request: HttpRequest) -> Caller:
    return caller_of_user(request.user.pk)


def _confirm(request: HttpRequest, booking_id: str) -> Outcome:
    return lifecycle.confirm_booking(
        actor=_staff(request),
        booking_id=booking_id,
        key_header=None,
        deadline=request.deadline,  # type: ignore[attr-defined]
        as_staff=True,
    )


def _cancel(request: HttpRequest, booking_id: str) -> Outcome:
    return lifecycle.cancel_booking(
        actor=_staff(request),
        booking_id=booking_id,
        key_header=None,
        deadline=request.deadline,  # type: ignore[attr-defined]
        staff_reason=request.POST["reason"],
    )

"""Shared code for bookings and blocks, which staff read in a list and on a page, and cancel with a
reason.

The admin never saves their documents: saving writes every field, and would undo a guest's change
made meanwhile. Services change them.
"""

import dataclasses
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from bookings.admin.forms import KeyedForm, add_faults
from bookings.admin.newest import (
    LOOKED_THROUGH,
    MAX_LISTED,
    BoundedPaginator,
    CreatedFilter,
)
from bookings.admin.own_hotels import OfHotels, name_hotels, own_hotels
from bookings.admin.staff_requests import StaffRequest
from bookings.admin.timeline import Happening, tell_history
from bookings.catalogue import inventory
from bookings.domain.booking import EXPIRED, PENDING, Booking
from bookings.domain.callers import Caller, caller_of_user
from bookings.domain.money import format_money
from bookings.domain.stay_request import MAX_REASON
from bookings.infrastructure import clock
from bookings.models import BookingRecord
from bookings.presentation.days import stay_text, with_days_in_words
from bookings.presentation.moments import moment_text
from bookings.refusals import Refusal, ValidationFailed
from bookings.stays import lifecycle, queries
from bookings.stays.outcomes import Outcome

# A request has ten seconds; this many changes take about one.
MAX_AT_ONCE = 100


class BookingHotelFilter(admin.SimpleListFilter):
    """Takes the hotels from the catalogue: finding them in the bookings would read all bookings."""

    title = "hotel"
    parameter_name = "hotel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return name_hotels(request)

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[BookingRecord]
    ) -> QuerySet[BookingRecord]:
        return queryset.filter(hotel=self.value()) if self.value() else queryset


class ReasonForm(forms.Form):
    """The reason why staff cancel. The service judges it."""

    reason = forms.CharField(
        label="Why?",
        required=False,
        strip=False,
        widget=forms.TextInput(
            attrs={"maxlength": MAX_REASON, "required": True, "class": "vTextField"}
        ),
    )


class NewestBookingsList(ChangeList):
    """Lists the newest records. Filters look among the newest, or among the newest of the chosen
    days. A search lists everything it finds."""

    model_admin: "RecordAdmin"

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        queryset = super().get_queryset(request, exclude_parameters)
        if self.query:
            return queryset
        end = next(
            (each.end for each in self.filter_specs if isinstance(each, CreatedFilter)), None
        )
        oldest = queries.find_nth_newest(
            LOOKED_THROUGH if self.has_active_filters or own_hotels(request) else MAX_LISTED,
            kind=self.model_admin.kind,
            before=end,
        )
        return queryset if oldest is None else queryset.filter(pk__gt=oldest)


class RecordAdmin(OfHotels):
    """Records of one `kind`. Staff read, add and cancel them, but never edit or delete them.

    `event_labels` are words for events in the history where the usual ones do not fit.
    `filter_parameters` are the URL parameters that its filters read.
    """

    whose = "hotel"
    kind: ClassVar[str]
    event_labels: ClassVar[dict[str, str]] = {}
    filter_parameters: ClassVar[tuple[str, ...]] = ("status", "hotel")
    cancel_title: ClassVar[str]
    cancel_several_title: ClassVar[str]
    cancel_template: ClassVar[str]

    # The newest come first: no index serves another order, and there are many bookings.
    sortable_by = ()
    paginator = BoundedPaginator
    show_full_result_count = False

    # --- Who may ------------------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """The permission to change records is the one to act on them through services."""
        return super().has_change_permission(request)

    # --- Reading ------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NewestBookingsList]:
        return NewestBookingsList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        # Any other parameter in a URL would be looked up in every booking.
        return lookup in self.filter_parameters

    def get_queryset(self, request: HttpRequest) -> QuerySet[BookingRecord]:
        return super().get_queryset(request).filter(kind=self.kind)

    def find(self, request: HttpRequest, booking_id: str) -> BookingRecord:
        """The record. Raises PermissionDenied if the user may not change it."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        record = self.get_object(request, booking_id)
        if record is None:
            raise Http404
        return record

    @admin.display(description="status")
    def current_status(self, record: BookingRecord) -> str:
        """The status as it is now; see `Booking.status_at`."""
        if record.status == PENDING and record.expires_at and record.expires_at <= clock.now():
            return EXPIRED
        return record.status

    @admin.display(description="rooms")
    def room_names(self, record: BookingRecord) -> str:
        """The names of the record's rooms. A list reads those of all its records at once."""
        names = getattr(record, "names_of_rooms", None) or names_of_rooms([record])
        return ", ".join(names.get(booked["room"], booked["room"]) for booked in record.rooms)

    @admin.display(description="hotel")
    def hotel_name(self, record: BookingRecord) -> str:
        """The name of the record's hotel. A list reads the hotels of all its records at once."""
        names = getattr(record, "names_of_hotels", None)
        if names is None:
            hotel = inventory.find_hotel(record.hotel)
            return hotel.name if hotel else record.hotel
        name: str = names.get(record.hotel, record.hotel)
        return name

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Looks up rooms and hotels once for a whole page of the list."""
        changelist = super().get_changelist_instance(request)
        rooms, hotels = names_of_rooms(changelist.result_list), dict(name_hotels(request))
        for record in changelist.result_list:
            record.names_of_rooms, record.names_of_hotels = rooms, hotels
        return changelist

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # Another hotel's takes as long as one that does not exist.
        booking = queries.find_booking(object_id, hotels=own_hotels(request))
        context = dict(extra_context or {})
        if booking is not None:
            # Django's title would be *View booking*; below it is the reference.
            context["title"] = booking.guest.name or capfirst(self.opts.verbose_name)
            hotel = inventory.find_hotel(booking.hotel)
            context["time_zone"] = hotel.time_zone if hotel else "UTC"
            context["happenings"] = self.tell(request, booking)
            context |= self.describe(request, booking)
        return super().change_view(request, object_id, form_url, context)

    def tell(self, request: HttpRequest, booking: Booking) -> list[Happening]:
        """Everything that happened, for the record's page, oldest first."""
        return tell_history(booking, self.event_labels)

    def describe(self, request: HttpRequest, booking: Booking) -> dict[str, Any]:
        """Further context for the record's page."""
        raise NotImplementedError

    def show_form(
        self,
        request: HttpRequest,
        form: KeyedForm,
        title: str,
        record: BookingRecord | None = None,
        template: str = "admin/bookings/keyed_form.html",
    ) -> HttpResponse:
        """The page with a keyed form; for a new record, without `record`."""
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "object": record,
        }
        return TemplateResponse(request, template, context)

    def show_record(self, request: HttpRequest, booking_id: str) -> HttpResponse:
        """Redirects to the record's page, or to the start page if the user may not see it."""
        if not self.has_view_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(name, args=[booking_id]))

    @admin.display(description="made")
    def made(self, record: BookingRecord) -> str:
        return moment_at(record, record.created_at)

    @admin.display(description="last changed")
    def last_changed(self, record: BookingRecord) -> str:
        return moment_at(record, record.updated_at)

    # --- Cancelling ---------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        return [self.page("cancel", self.cancel_one), *super().get_urls()]

    def page(self, action: str, view: Callable[..., HttpResponse]) -> URLPattern:
        """The URL pattern of an action on one record."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_{action}"
        return path(f"<str:booking_id>/{action}/", self.admin_site.admin_view(view), name=name)

    def cancel_one(self, request: StaffRequest, booking_id: str) -> HttpResponse:
        """Cancels one record, or asks for the reason first."""
        asked = self.cancel_each(request, [self.find(request, booking_id)])
        return asked or self.show_record(request, booking_id)

    def cancel_each(
        self, request: StaffRequest, records: list[BookingRecord]
    ) -> HttpResponse | None:
        """Cancels the records with the reason that was sent. If that is missing or refused, returns
        the page that asks for it."""
        if not records:
            return None
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            try:
                self.change_each(request, records, partial(_cancel, reason=reason))
            except ValidationFailed as refusal:
                add_faults(form, refusal.extra()["errors"], {"reason": "reason"})
            else:
                return None
        names, hotels = names_of_rooms(records), dict(name_hotels(request))
        for record in records:
            record.names_of_rooms = names  # type: ignore[attr-defined]
            record.names_of_hotels = hotels  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": self.cancel_title if len(records) == 1 else self.cancel_several_title,
            "opts": self.opts,
            "form": form,
            "records": [
                (
                    record,
                    self.current_status(record),
                    self.hotel_name(record),
                    self.room_names(record),
                )
                for record in records
            ],
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "action": request.POST.get("action", ""),
        }
        return TemplateResponse(request, self.cancel_template, context)

    # --- Changing -----------------------------------------------------------------------------

    def take(self, request: HttpRequest, queryset: QuerySet[BookingRecord]) -> list[BookingRecord]:
        """The selected records; an empty list, with a message, if there are too many."""
        records = list(queryset[: MAX_AT_ONCE + 1])
        if len(records) <= MAX_AT_ONCE:
            return records
        kinds = self.opts.verbose_name_plural
        text = f"Select at most {MAX_AT_ONCE} {kinds} at a time; nothing was changed."
        self.message_user(request, text, messages.ERROR)
        return []

    def change_each(
        self,
        request: StaffRequest,
        records: list[BookingRecord],
        change: Callable[[StaffRequest, str], Outcome],
    ) -> None:
        """Changes one record after the other, with a message for each.

        Raises ValidationFailed for what staff typed: that is the same for all records, so none is
        changed then.
        """
        for record in records:
            try:
                outcome = change(request, str(record.pk))
            except ValidationFailed:
                raise
            except Refusal as refusal:
                level, text = messages.ERROR, with_days_in_words(refusal.detail)
            else:
                level, text = self._describe_outcome(request, record, outcome)
            self.message_user(request, f"{record.reference}: {text}", level)

    def _describe_outcome(
        self, request: HttpRequest, record: BookingRecord, outcome: Outcome
    ) -> tuple[int, str]:
        content = outcome.content
        if outcome.code is not None:
            return messages.ERROR, with_days_in_words(content["error"])
        text = with_days_in_words(content["message"])
        if not outcome.replayed:
            self.log_change(request, record, text)
            return messages.SUCCESS, text
        # A replay says what was true then: a booking confirmed once may have been cancelled since.
        current = queries.find_booking(record.pk)
        status = current.status_at(clock.now()) if current else "gone"
        if status == content["booking"]["status"]:
            return messages.SUCCESS, text
        return messages.ERROR, f"This was done before, and the booking is now {status}."


def moment_at(record: BookingRecord, moment: datetime) -> str:
    """The moment by the clock of the record's hotel."""
    hotel = inventory.find_hotel(record.hotel)
    return moment_text(moment, hotel.time_zone if hotel else "UTC")


def names_of_rooms(records: Iterable[BookingRecord]) -> dict[str, str]:
    """The names of all rooms of the records, by id, in one look."""
    return inventory.room_names(booked["room"] for record in records for booked in record.rooms)


def name_told(bookings: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The names of the rooms in the API's descriptions of bookings, by id, in one look."""
    return inventory.room_names(
        booked["resourceId"] for booking in bookings for booked in booking["rooms"]
    )


def place_of(booking: dict[str, Any], names: dict[str, str]) -> str:
    """Where and when a booking is and what it costs, from the API's description of it, with the
    names of its rooms."""
    rooms = ", ".join(
        names.get(booked["resourceId"], booked["resourceId"]) for booked in booking["rooms"]
    )
    total = format_money(booking["price"]["total"], booking["price"]["currency"])
    return f"{rooms} ({stay_text(booking['checkIn'], booking['checkOut'])}, {total})"


def staff(request: StaffRequest) -> Caller:
    """The caller that stands for the logged-in user, and acts at the user's own hotels."""
    return dataclasses.replace(caller_of_user(request.user.pk), hotels=own_hotels(request))


def _cancel(request: StaffRequest, booking_id: str, *, reason: str) -> Outcome:
    return lifecycle.cancel_booking(
        actor=staff(request),
        booking_id=booking_id,
        key_header=None,
        deadline=request.deadline,
        staff_reason=reason,
    )

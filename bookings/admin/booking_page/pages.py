"""The pages around a booking's own: details, remarks, mails again, the registration card."""

import hashlib
from typing import Any

from bson import ObjectId
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST, require_safe

from bookings.admin.actors import name_actors
from bookings.admin.booking_page.details import GuestDetailsForm
from bookings.admin.booking_page.possible import (
    ACTIONS,
    PRINT,
    Possible,
    judge_actions,
)
from bookings.admin.forms import MESSAGES, KeyedForm, new_key
from bookings.admin.own_hotels import own_hotels
from bookings.admin.records import RecordAdmin, staff
from bookings.admin.staff_requests import StaffRequest, may
from bookings.admin.timeline import (
    NEWS_WORDS,
    Happening,
    tell_deliveries,
)
from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.content.reading import AboutHotel, find_hotel_content
from bookings.domain.booking import Booking
from bookings.domain.money import format_money
from bookings.infrastructure import clock
from bookings.infrastructure.texts import LinesField
from bookings.models import DeliveryRecord
from bookings.news import guest_mails
from bookings.news.guest_mails import NotSendable
from bookings.presentation.days import stay_text
from bookings.refusals import NotFound, Refusal, ValidationFailed
from bookings.stays import corrections, queries, remarks
from bookings.stays.remarks import MAX_REMARK

# Managers delete the remarks of others, too.
_MANAGES = "bookings.change_hotel"


class RemarkForm(KeyedForm):
    """A remark for colleagues."""

    button = "Add the remark"
    shown_beside = {"text": "text"}

    text = LinesField(
        label="Remark",
        max_length=MAX_REMARK,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Only colleagues read this.",
    )


class BookingPages(RecordAdmin):
    """What surrounds a booking."""

    def get_urls(self) -> list[Any]:
        pages = [
            self.page("edit", self.edit_one),
            self.page("remark", self.add_remark),
            self.page("delete-remark", self.delete_remark),
            self.page("send-again", self.send_again),
            self.page("card", self.show_card),
        ]
        return [*pages, *super().get_urls()]

    def find_own_booking(self, request: HttpRequest, booking_id: str) -> Booking:
        """The booking. Raises Http404 if it is not the user's hotel's, or is no stay."""
        booking = queries.find_booking(booking_id, hotels=own_hotels(request))
        if booking is None or booking.kind != self.kind:
            raise Http404
        return booking

    def judge(self, request: HttpRequest, booking: Booking, hotel: HotelFacts) -> Possible:
        """What the user can do with the booking now."""
        return judge_actions(
            booking,
            now=clock.now(),
            today=clock.today(hotel.time_zone),
            desk_day=hotel.desk_day(),
            may_act=self.has_act_permission(request),
        )

    # --- The guest ----------------------------------------------------------------------------

    def edit_one(self, request: StaffRequest, booking_id: str) -> HttpResponse:
        """Corrects the guest's details, once for each key, if they are still as the form showed."""
        record = self.find(request, booking_id)
        booking = self.find_own_booking(request, booking_id)
        template = "admin/bookings/bookingrecord/details.html"
        title = f"Guest of {record}"
        if request.method != "POST":
            form = GuestDetailsForm.open(booking).suit(booking)
            return self.show_form(request, form, title, record, template=template)
        form = GuestDetailsForm(request.POST).suit(booking)
        outcome = form.correct(request, booking_id)
        if outcome is None:
            form.meet(self.find_own_booking(request, booking_id))
            return self.show_form(request, form, title, record, template=template)
        if outcome.replayed:
            text = "This form has already changed the details; nothing was changed again."
            self.message_user(request, f"{record}: {text}", messages.WARNING)
        else:
            text = outcome.content["message"]
            self.log_change(request, record, text)
            self.message_user(request, f"{record}: {text}", messages.SUCCESS)
        return self.show_record(request, booking_id)

    # --- Remarks ------------------------------------------------------------------------------

    def add_remark(self, request: StaffRequest, booking_id: str) -> HttpResponse:
        """Adds a remark under the form's key."""
        record = self.find(request, booking_id)
        template = "admin/bookings/bookingrecord/details.html"
        title = f"Remark on {record}"
        if request.method != "POST":
            return self.show_form(request, RemarkForm.new(), title, record, template=template)
        form = RemarkForm(request.POST)
        if form.is_valid():
            try:
                is_new = remarks.add_remark(
                    actor=staff(request),
                    booking_id=booking_id,
                    # With other words the form is about another remark.
                    key_header=corrections.key_for(
                        form.cleaned_data["key"], [form.cleaned_data["text"]]
                    ),
                    text=form.cleaned_data["text"],
                )
            except ValidationFailed as refusal:
                form.add_error("text", " ".join(fault.message for fault in refusal.faults))
            except Refusal as refusal:
                said = MESSAGES.get(refusal.code, refusal.detail).format(button=form.button)
                form.add_error(None, said)
            else:
                if is_new:
                    self.log_change(request, record, "A remark was added.")
                else:
                    text = "This form has already added the remark; nothing was added again."
                    self.message_user(request, f"{record}: {text}", messages.WARNING)
                return self.show_record(request, booking_id)
        return self.show_form(request, form, title, record, template=template)

    @method_decorator(require_POST)
    def delete_remark(self, request: StaffRequest, booking_id: str) -> HttpResponse:
        """Deletes a remark of the user, or a manager anyone's."""
        record = self.find(request, booking_id)
        try:
            is_new = remarks.delete_remark(
                actor=staff(request),
                booking_id=booking_id,
                remark_id=request.POST.get("remark", ""),
                is_manager=may(request, _MANAGES),
            )
        except NotFound:
            text = "There is no such remark, or it is a colleague’s: ask a manager to delete it."
            self.message_user(request, f"{record}: {text}", messages.ERROR)
        else:
            if is_new:
                self.log_change(request, record, "A remark was deleted.")
            self.message_user(request, f"{record}: The remark is deleted.", messages.SUCCESS)
        return self.show_record(request, booking_id)

    # --- Mails --------------------------------------------------------------------------------

    @method_decorator(require_POST)
    def send_again(self, request: StaffRequest, booking_id: str) -> HttpResponse:
        """Has a mail sent again, once for each key."""
        record = self.find(request, booking_id)
        if not may(request, "bookings.change_deliveryrecord"):
            raise PermissionDenied
        key = hashlib.sha256(request.POST.get("key", "").encode()).hexdigest()[:12]
        booking = self.find_own_booking(request, booking_id)
        try:
            if not request.POST.get("key"):
                raise NotSendable("Open the page again.")
            event = guest_mails.send_again(booking, request.POST.get("mail", ""), key=key)
        except NotSendable as fault:
            self.message_user(request, f"{record}: {fault}", messages.ERROR)
        else:
            if event:
                news = NEWS_WORDS.get(event, event)
                self.log_change(request, record, f"The mail {news} was sent again.")
            text = "The mail is sent again. A worker does that within seconds."
            self.message_user(request, f"{record}: {text}", messages.SUCCESS)
        return self.show_record(request, booking_id)

    # --- The registration card ----------------------------------------------------------------

    @method_decorator(require_safe)
    def show_card(self, request: HttpRequest, booking_id: str) -> HttpResponse:
        """The card that the guest signs, to print."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        booking = self.find_own_booking(request, booking_id)
        hotel = inventory.find_hotel(booking.hotel)
        if hotel is None:
            raise Http404
        possible = self.judge(request, booking, hotel)
        if fault := possible.cannot.get(PRINT):
            text = f"{booking.reference}: {ACTIONS[PRINT]}: {fault}."
            self.message_user(request, text, messages.ERROR)
            return self.show_record(request, booking_id)
        rooms = inventory.room_names(booking.room_ids)
        nights = (booking.check_out - booking.check_in).days
        context = {
            "hotel": hotel,
            "about": find_hotel_content(hotel.id) or AboutHotel(hotel.id),
            "booking": booking,
            "rooms": ", ".join(rooms.get(room, room) for room in booking.room_ids),
            "stay": stay_text(booking.check_in, booking.check_out),
            "nights": nights,
            "others": range(booking.guests - 1),
            "total": format_money(booking.price.total, booking.price.currency),
        }
        template = "admin/bookings/bookingrecord/card.html"
        return TemplateResponse(request, template, context)

    # --- The page itself ----------------------------------------------------------------------

    def describe_surroundings(self, request: HttpRequest, booking: Booking) -> dict[str, Any]:
        """What the page shows apart from the fields: actions, remarks, and what happened."""
        hotel = inventory.find_hotel(booking.hotel)
        assert hotel is not None, "a hotel with bookings cannot be deleted"
        possible = self.judge(request, booking, hotel)
        written = remarks.list_remarks([booking.id]).get(booking.id, ())
        labels = {label for each in written for label in (each.by, each.deleted_by) if label}
        names = name_actors(labels)
        me, is_manager = str(staff(request)), may(request, _MANAGES)  # type: ignore[arg-type]
        may_act = self.has_act_permission(request)
        return {
            "can": possible.can,
            "cannot": possible.sentences,
            "remarks": [
                (
                    each,
                    names[each.by],
                    names.get(each.deleted_by, ""),
                    may_act and not each.is_deleted and (is_manager or each.by == me),
                )
                for each in written
            ],
            "remark_form": RemarkForm.new() if may_act and not booking.is_erased else None,
            "again_key": new_key(),
        }

    def tell(self, request: HttpRequest, booking: Booking) -> list[Happening]:
        """The history, and the mails and notices in between."""
        told = super().tell(request, booking)
        if may(request, "bookings.view_deliveryrecord"):
            may_send = self.has_act_permission(request) and may(
                request, "bookings.change_deliveryrecord"
            )
            found = DeliveryRecord.objects.filter(booking=ObjectId(booking.id)).order_by("at")
            again = guest_mails.list_again(booking) if may_send else {}
            told += tell_deliveries(found.defer("payload"), again)
        return sorted(told, key=lambda line: line.at)

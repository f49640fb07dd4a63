"""Room blocks take rooms out of service for some nights. Lifting a block gives them back."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Self

from bson import ObjectId
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from bookings.admin.choices import NOTHING, hotel_options
from bookings.admin.desk.choosing import back_to_calendar
from bookings.admin.forms import MAX_ROOMS_TEXT, DayField, KeyedForm
from bookings.admin.own_hotels import list_own
from bookings.admin.records import BookingHotelFilter, RecordAdmin, name_people, staff
from bookings.admin.staff_requests import StaffRequest, is_of_staff
from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.domain.booking import BLOCK, CANCELLED, CONFIRMED, Booking
from bookings.domain.stay_request import MAX_NOTES
from bookings.front_desk import blocks
from bookings.infrastructure.texts import LinesField, shorten
from bookings.models import BookingRecord, RoomBlock
from bookings.stays.outcomes import Outcome

# A block has no guest, so its states have names of their own.
STATUS_LABELS = {CONFIRMED: "in force", CANCELLED: "lifted"}


class BlockStatusFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(STATUS_LABELS.items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[BookingRecord]
    ) -> QuerySet[BookingRecord]:
        return queryset.filter(status=self.value()) if self.value() else queryset


class BlockForm(KeyedForm):
    """Which rooms, when, and why."""

    button = "Block"
    shown_beside = {
        "hotel": "hotel",
        "rooms": "rooms",
        "first": "first",
        "end": "end",
        "reason": "reason",
    }

    hotel = forms.ChoiceField(
        required=False,
        choices=[NOTHING],
        help_text="Needed only if several hotels have rooms of these names.",
    )
    rooms = forms.CharField(
        max_length=MAX_ROOMS_TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Rooms of one hotel by their names, one per line or with commas.",
    )
    first = DayField(label="First night")
    end = DayField(label="Free from", help_text="The first night that is free again.")
    reason = LinesField(max_length=MAX_NOTES, widget=forms.Textarea(attrs={"rows": 3}))

    def offer(self, hotels: Sequence[HotelFacts]) -> Self:
        """Lets the form be about one of these hotels; returns the form."""
        self.hotels = hotels
        chooser = self.fields["hotel"]
        assert isinstance(chooser, forms.ChoiceField)
        chooser.choices = [NOTHING, *hotel_options(hotels)]
        return self

    def clean(self) -> dict[str, Any]:
        """Replaces the rooms that were typed by their ids; the service judges those."""
        values: dict[str, Any] = super().clean() or {}
        if "rooms" in values and "hotel" in values:
            hotels = [values["hotel"]] if values["hotel"] else [each.id for each in self.hotels]
            try:
                values["rooms"] = _find_rooms(values["rooms"], hotels)
            except ValidationError as fault:
                self.add_error("rooms", fault)
        return values


def _find_rooms(text: str, hotel_ids: Iterable[str]) -> tuple[str, ...]:
    """The ids of the rooms in the text, which names them by their names or ids. What is no room
    stays as it is. Raises ValidationError if rooms of several hotels have a name."""
    pieces = [piece.strip() for piece in re.split(r"[,\n]", text) if piece.strip()]
    # Ids have no blanks, so they may be between them.
    words = [word for piece in pieces for word in piece.split()]
    known: dict[str, set[str]] = {}
    for room in inventory.find_rooms_named({*pieces, *words}, hotel_ids):
        for called in {room.name.casefold(), room.id.casefold()}:
            known.setdefault(called, set()).add(room.id)
    found: list[str] = []
    for piece in pieces:
        for wanted in [piece] if piece.casefold() in known else piece.split():
            ids = known.get(wanted.casefold(), {wanted})
            if len(ids) > 1:
                raise ValidationError(f"Several hotels have a room {wanted}; choose the hotel.")
            found += ids
    return tuple(found)


@admin.register(RoomBlock)
class RoomBlockAdmin(RecordAdmin):
    kind = BLOCK
    event_labels = {"cancelled": "lifted it"}
    list_display = (
        "reference",
        "current_status",
        "hotel_name",
        "room_names",
        "first_night",
        "end",
        "short_reason",
        "caller_name",
    )
    list_filter = (BlockStatusFilter, BookingHotelFilter)
    search_fields = ("reference", "notes")
    search_help_text = "Reference or reason"
    list_per_page = 50
    actions = ("lift_selected",)
    change_form_template = "admin/bookings/roomblock/change_form.html"
    cancel_title = "Lift room blocks"
    cancel_template = "admin/bookings/roomblock/lift.html"
    fieldsets = (
        (None, {"fields": ("reference", "current_status")}),
        ("Rooms", {"fields": ("hotel_name", "room_names", "first_night", "end", "reason")}),
        ("Made", {"fields": ("caller_name", "created_at", "updated_at")}),
    )

    # --- Reading ------------------------------------------------------------------------------

    @admin.display(description="status")
    def current_status(self, record: BookingRecord) -> str:
        return STATUS_LABELS[record.status]

    @admin.display(description="first night")
    def first_night(self, record: BookingRecord) -> str:
        return record.check_in

    @admin.display(description="free from")
    def end(self, record: BookingRecord) -> str:
        return record.check_out

    @admin.display(description="reason")
    def reason(self, record: BookingRecord) -> str:
        return record.notes

    @admin.display(description="reason")
    def short_reason(self, record: BookingRecord) -> str:
        return shorten(record.notes, 80)

    @admin.display(description="blocked by")
    def caller_name(self, record: BookingRecord) -> str:
        names = getattr(record, "names", None) or name_people([record.caller])
        return names[record.caller]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Looks up the people who made the blocks once for a whole page of the list."""
        changelist = super().get_changelist_instance(request)
        names = name_people(record.caller for record in changelist.result_list)
        for record in changelist.result_list:
            record.names = names
        return changelist

    def describe(self, request: HttpRequest, booking: Booking) -> dict[str, Any]:
        return {"may_lift": self.has_act_permission(request) and booking.status == CONFIRMED}

    # --- Adding -------------------------------------------------------------------------------

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Blocks under the form's key, so that sending the form twice blocks once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        hotels = list_own(request)
        if request.method != "POST":
            form = BlockForm.new(
                **{name: request.GET.get(name, "") for name in ("rooms", "first", "end")}
            )
            return self.show_form(request, form.offer(hotels), "Block rooms")
        assert is_of_staff(request), "the admin site asks for a login first"
        form = BlockForm(request.POST).offer(hotels)
        outcome = form.send(lambda: _block(request, form))
        if outcome is None:
            return self.show_form(request, form, "Block rooms")
        block = outcome.content["booking"]
        reference = block["reference"]
        if outcome.replayed:
            text = f"This form has already made the block {reference}; nothing new was blocked."
            self.message_user(request, text, messages.WARNING)
        else:
            text = outcome.content["message"]
            record = RoomBlock(pk=ObjectId(block["id"]), reference=reference)
            self.log_addition(request, record, text)
            self.message_user(request, f"{reference}: {text}", messages.SUCCESS)
        return back_to_calendar(request) or self.show_record(request, block["id"])

    # --- Lifting ------------------------------------------------------------------------------

    @admin.action(description="Lift selected room blocks", permissions=["act"])
    def lift_selected(
        self, request: StaffRequest, queryset: QuerySet[BookingRecord]
    ) -> HttpResponse | None:
        return self.cancel_each(request, self.take(request, queryset))


def _block(request: StaffRequest, form: BlockForm) -> Outcome:
    return blocks.block_rooms(
        actor=staff(request),
        room_ids=form.cleaned_data["rooms"],
        first=form.cleaned_data["first"],
        end=form.cleaned_data["end"],
        reason=form.cleaned_data["reason"],
        key_header=form.cleaned_data["key"],
        deadline=request.deadline,
    )

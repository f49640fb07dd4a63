"""Room blocks take rooms out of service for some nights. Lifting a block gives them back."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlencode

from bson import ObjectId
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.dates import WEEKDAYS

from bookings.admin.actors import name_actors
from bookings.admin.choices import NOTHING, RoomPicker, hotel_options, read_ids
from bookings.admin.desk.access import LOOK, may_any
from bookings.admin.desk.choosing import back_to_calendar, choose_or_say, read_day
from bookings.admin.forms import (
    MAX_ROOMS_TEXT,
    SHOW,
    DayField,
    KeyedForm,
    RoomIdsField,
    new_key,
)
from bookings.admin.own_hotels import is_own, list_own
from bookings.admin.records import (
    MAX_AT_ONCE,
    BookingHotelFilter,
    RecordAdmin,
    name_told,
    staff,
)
from bookings.admin.staff_requests import StaffRequest, is_of_staff
from bookings.availability.occupancy import Occupant
from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.domain.booking import BLOCK, CANCELLED, CONFIRMED, Booking
from bookings.domain.stay_request import MAX_NOTES
from bookings.front_desk import blocks
from bookings.front_desk.repeated_blocks import (
    Dates,
    Made,
    Repetition,
    block_repeatedly,
    find_in_the_way,
    judge_days,
    judge_length,
    list_dates,
)
from bookings.infrastructure.quantities import quantity
from bookings.infrastructure.texts import LinesField, shorten
from bookings.models import BookingRecord, RoomBlock
from bookings.presentation.days import day_text, stay_text, with_days_in_words
from bookings.refusals import Fault, Refusal, ValidationFailed
from bookings.stays.answers import MAX_LISTED
from bookings.stays.outcomes import Outcome

OTHER = "Other"
REASONS = ("Repair", "Cleaning", "Renovation", "Own use", OTHER)

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
    """Which rooms, when, why, and whether that comes again."""

    button = "Block"
    asks_after = "until"
    show_button = "Show rooms and dates"
    fold = "Again and again"
    folded = ("every_weeks", "weekdays", "until")
    shown_beside = {
        "rooms": "rooms",
        "first": "first",
        "end": "end",
        "until": "until",
        "reason": "details",
    }

    # The dates of the repeated blocks that the form has shown.
    seen = forms.CharField(
        required=False, widget=forms.HiddenInput(attrs={"data-offer": True}), max_length=1_000
    )
    hotel = forms.CharField(
        max_length=64,
        widget=forms.Select,
        help_text="After choosing another hotel, press Show rooms and dates.",
    )
    first = DayField(label="First night")
    end = DayField(label="Free from", help_text="The first night that is free again.")
    rooms = RoomIdsField(widget=RoomPicker)
    reason = forms.ChoiceField(choices=[NOTHING, *((each, each) for each in REASONS)])
    details = LinesField(
        required=False,
        max_length=MAX_NOTES,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Anything your colleagues should know; needed for the reason Other.",
    )
    every_weeks = forms.IntegerField(
        label="Again every … weeks",
        required=False,
        min_value=1,
        max_value=52,
        help_text="Leave this empty to block the nights once.",
    )
    weekdays = forms.MultipleChoiceField(
        label="On these weekdays",
        required=False,
        choices=[(str(number), str(name)) for number, name in WEEKDAYS.items()],
        widget=forms.CheckboxSelectMultiple,
        help_text="The first night's own weekday if none is chosen.",
    )
    until = DayField(
        label="Until", required=False, help_text="The last day on which a block may begin."
    )

    def at(self, hotels: Sequence[HotelFacts], *, may_name: bool) -> Self:
        """Lets the form be about one of these hotels, and reads its rooms; returns the form. It
        names guests only to those who may see bookings."""
        self.may_name = may_name
        self.fields["hotel"].widget.choices = [NOTHING, *hotel_options(hotels)]
        asked = str(self["hotel"].value() or "")
        self.hotel_id = asked if asked in {hotel.id for hotel in hotels} else ""
        self.categories = inventory.read_house(self.hotel_id) if self.hotel_id else []
        self.house = {room.id: room.name for _, rooms in self.categories for room in rooms}
        return self

    def offer(self) -> Self:
        """Shows the hotel's rooms and what is in the way of blocking them; returns the form."""
        taken: set[str] = set()
        if not self.hotel_id:
            self.offered = "Choose a hotel to see its rooms."
        else:
            try:
                taken = self._describe(self._read_dates())
            except ValidationFailed as refusal:
                self.offered = " ".join(fault.message for fault in refusal.faults)
        self.fields["rooms"].widget.groups = [
            (
                category.name,
                [
                    (room.id, room.name, "not free" if room.id in taken else "")
                    for room in rooms
                    if room.is_sold
                ],
            )
            for category, rooms in self.categories
            if any(room.is_sold for room in rooms)
        ]
        return self

    def _describe(self, dates: Sequence[Dates]) -> set[str]:
        """Says what is in the way. Returns the rooms that are not free, for a block that does not
        come again."""
        if not self._repeats:
            (who,) = find_in_the_way(self.hotel_id, self.house, dates)
            taken = {room for each in who for room in each.rooms}
            for_sale = {room.id for _, rooms in self.categories for room in rooms if room.is_sold}
            count = len(for_sale - taken)
            self.offered = f"Free for these nights: {quantity(count, 'room')}."
            return taken
        chosen = [room for room in self._chosen if room in self.house]
        in_the_way = find_in_the_way(self.hotel_id, chosen, dates)
        faults = judge_days(self.hotel_id, dates)
        self.offered_lines = [
            f"{stay_text(*each)}: {fault or self._name(who, set(chosen)) or 'free'}"
            for each, who, fault in zip(dates, in_the_way, faults, strict=True)
        ]
        free = sum(not who and not fault for who, fault in zip(in_the_way, faults, strict=True))
        whose = "the chosen rooms are" if chosen else "no room is chosen yet, so they are"
        self.offered = f"{quantity(len(dates), 'block')}; on {free} of their dates {whose} free:"
        self._set("seen", _in_short(dates))
        return set()

    def _name(self, who: Iterable[Occupant], rooms: set[str]) -> str:
        found = list(who)
        named = [
            f"{' '.join(filter(None, (each.reference, each.guest_name * self.may_name)))} "
            f"({', '.join(self.house[room] for room in each.rooms if room in rooms)}, "
            f"{stay_text(each.check_in, each.keeps_until)})"
            for each in found[:MAX_LISTED]
        ]
        if len(found) > MAX_LISTED:
            named.append("and more")
        return f"in the way: {'; '.join(named)}" if named else ""

    @property
    def _chosen(self) -> list[str]:
        return read_ids(str(self["rooms"].value() or ""))

    @property
    def _repeats(self) -> bool:
        return bool(self["every_weeks"].value())

    def _read_dates(self) -> list[Dates]:
        """The dates of the blocks, of a form that may be incomplete. Raises ValidationFailed."""
        try:
            first, end = (self.fields[name].clean(self[name].value()) for name in ("first", "end"))
            if not self._repeats:
                judge_length(first, end)
                return [(first, end)]
            weeks, weekdays, until = (
                self.fields[name].clean(self[name].value())
                for name in ("every_weeks", "weekdays", "until")
            )
        except forms.ValidationError:
            text = "Choose the nights to see which rooms are free."
            raise ValidationFailed([Fault("", text)]) from None
        if until is None:
            raise ValidationFailed([Fault("until", "Choose until when it comes again.")])
        return list_dates(first, end, Repetition(weeks, frozenset(map(int, weekdays)), until))

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if "hotel" in values and values["hotel"] != self.hotel_id:
            self.add_error("hotel", "Choose a hotel.")
        elif self.hotel_id and not set(values.get("rooms", ())) <= self.house.keys():
            text = "Choose from the rooms of this hotel; the list was of another one."
            self.add_error("rooms", text)
        if values.get("reason") == OTHER and not values.get("details"):
            self.add_error("details", "Say why.")
        if not values.get("every_weeks") and "every_weeks" in values:
            if values.get("weekdays") or values.get("until"):
                self.add_error("every_weeks", "Say every how many weeks it comes again.")
        elif not self.errors:
            self._judge_repetition(values)
        return values

    def _judge_repetition(self, values: dict[str, Any]) -> None:
        try:
            self.dates = self._read_dates()
        except ValidationFailed as refusal:
            for fault in refusal.faults:
                self.add_error(fault.field, fault.message)
            return
        if values["seen"] != _in_short(self.dates):
            text = "Nothing is blocked yet. Look at the dates below, then press Block."
            self.add_error(None, text)

    @property
    def reason_in_words(self) -> str:
        """The reason as the block keeps it. Blocks that come again say so, which is how the list
        finds all of them."""
        values = self.cleaned_data
        parts = [values["reason"], values["details"]]
        text = ": ".join(part for part in parts if part and part != OTHER)
        return f"{text}\n{self.repetition_in_words}" if values["every_weeks"] else text

    @property
    def repetition_in_words(self) -> str:
        """Such as: Every 2 weeks on Monday, Friday from Mon 30 Nov 2026 until Fri 18 Dec 2026."""
        values = self.cleaned_data
        weeks = values["every_weeks"]
        numbers = sorted(map(int, values["weekdays"])) or [values["first"].weekday()]
        names = ", ".join(str(WEEKDAYS[number]) for number in numbers)
        return (
            f"Every {'week' if weeks == 1 else f'{weeks} weeks'} on {names} "
            f"from {day_text(values['first'])} until {day_text(values['until'])}"
        )

    def send_each(self, serve: Callable[[], list[Made]]) -> list[Made] | None:
        """As `send`, for blocks that come again. None if no block was made; the form says why."""
        try:
            made = serve()
        except Refusal as refusal:
            self.refuse(refusal.code, refusal.detail, refusal.extra())
            return None
        if any(each.outcome.code is None for each in made):
            return made
        for each in made:
            self.add_error(None, f"{stay_text(each.first, each.end)}: {why_not(each)}")
        self._set("key", new_key())
        return None


def why_not(made: Made) -> str:
    """Why a block was refused, without names of fields."""
    content = made.outcome.content
    if errors := content.get("errors"):
        return with_days_in_words(" ".join(error["message"] for error in errors))
    return with_days_in_words(content["error"])


def _in_short(dates: Iterable[Dates]) -> str:
    return " ".join(f"{first:%Y%m%d}+{(end - first).days}" for first, end in dates)


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
    # As many as can be lifted at once, so that one tick chooses all blocks that come again.
    list_per_page = MAX_AT_ONCE
    actions = ("lift_selected",)
    change_form_template = "admin/bookings/roomblock/change_form.html"
    cancel_title = "Lift a room block"
    cancel_several_title = "Lift room blocks"
    cancel_template = "admin/bookings/roomblock/lift.html"
    fieldsets = (
        (None, {"fields": ("reference", "current_status")}),
        ("Rooms", {"fields": ("hotel_name", "room_names", "first_night", "end", "reason")}),
        ("Made", {"fields": ("caller_name", "made", "last_changed")}),
    )

    # --- Reading ------------------------------------------------------------------------------

    @admin.display(description="status")
    def current_status(self, record: BookingRecord) -> str:
        return STATUS_LABELS[record.status]

    @admin.display(description="first night")
    def first_night(self, record: BookingRecord) -> str:
        return day_text(record.check_in)

    @admin.display(description="free from")
    def end(self, record: BookingRecord) -> str:
        return day_text(record.check_out)

    @admin.display(description="reason")
    def reason(self, record: BookingRecord) -> str:
        return record.notes

    @admin.display(description="reason")
    def short_reason(self, record: BookingRecord) -> str:
        return shorten(record.notes, 80)

    @admin.display(description="blocked by")
    def caller_name(self, record: BookingRecord) -> str:
        names = getattr(record, "names", None) or name_actors([record.caller])
        return names[record.caller]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Looks up the people who made the blocks once for a whole page of the list."""
        changelist = super().get_changelist_instance(request)
        names = name_actors(record.caller for record in changelist.result_list)
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
        hotels, may_name = list_own(request), may_any(request, LOOK)
        title = "Block rooms"
        if request.method != "POST" or SHOW in request.POST:
            form = BlockForm.again(request.POST) if request.POST else _open_form(request, hotels)
            return self.show_form(request, form.at(hotels, may_name=may_name).offer(), title)
        assert is_of_staff(request), "the admin site asks for a login first"
        form = BlockForm(request.POST).at(hotels, may_name=may_name)
        if form.is_valid() and form.cleaned_data["every_weeks"]:
            made = form.send_each(lambda: _block_repeatedly(request, form))
            if made is not None:
                return self._tell_of_each(request, form, made)
            return self.show_form(request, form.offer(), title)
        outcome = form.send(lambda: _block(request, form))
        if outcome is None:
            return self.show_form(request, form.offer(), title)
        block = outcome.content["booking"]
        reference = block["reference"]
        if outcome.replayed:
            text = f"This form has already made the block {reference}; nothing new was blocked."
            self.message_user(request, text, messages.WARNING)
        else:
            text = outcome.content["message"]
            self._log(request, block, text)
            names = name_told([block])
            rooms = ", ".join(names[booked["resourceId"]] for booked in block["rooms"])
            self.message_user(request, f"{rooms} ({reference}): {text}", messages.SUCCESS)
        return back_to_calendar(request) or self.show_record(request, block["id"])

    def _tell_of_each(
        self, request: StaffRequest, form: BlockForm, made: Sequence[Made]
    ) -> HttpResponse:
        """Says which blocks were made and which were not, and leads to the list of them."""
        new = [each for each in made if each.outcome.code is None and not each.outcome.replayed]
        before = [each for each in made if each.outcome.code is None and each.outcome.replayed]
        for each in new:
            self._log(request, each.outcome.content["booking"], each.outcome.content["message"])
        if new:
            days = ", ".join(day_text(each.first) for each in new)
            text = f"{quantity(len(new), 'block')} made, from: {days}."
            self.message_user(request, text, messages.SUCCESS)
        if before:
            days = ", ".join(day_text(each.first) for each in before)
            text = f"This form had already made {quantity(len(before), 'block')}, from: {days}."
            self.message_user(request, text, messages.WARNING)
        for each in made:
            if each.outcome.code is not None:
                text = f"Not blocked, {stay_text(each.first, each.end)}: {why_not(each)}"
                self.message_user(request, text, messages.WARNING)
        if back := back_to_calendar(request):
            return back
        if not self.has_view_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        query = {"q": f'"{form.repetition_in_words}"', "status": CONFIRMED}
        return HttpResponseRedirect(
            f"{reverse('admin:bookings_roomblock_changelist')}?{urlencode(query)}"
        )

    def _log(self, request: HttpRequest, block: dict[str, Any], text: str) -> None:
        record = RoomBlock(pk=ObjectId(block["id"]), reference=block["reference"])
        self.log_addition(request, record, text)

    # --- Lifting ------------------------------------------------------------------------------

    @admin.action(description="Lift selected room blocks", permissions=["act"])
    def lift_selected(
        self, request: StaffRequest, queryset: QuerySet[BookingRecord]
    ) -> HttpResponse | None:
        return self.cancel_each(request, self.take(request, queryset))


def _open_form(request: HttpRequest, hotels: Sequence[HotelFacts]) -> BlockForm:
    """The form, filled in from the URL: a hotel, rooms and nights."""
    asked = request.GET
    rooms = read_ids(asked.get("rooms", "")[:MAX_ROOMS_TEXT])
    room = inventory.find_room(rooms[0]) if rooms else None
    category = inventory.find_category(room.category) if room else None
    if category and not is_own(request, category.hotel):
        category = None
    wanted = category.hotel if category else asked.get("hotel", "")
    hotel = choose_or_say(request, hotels, wanted)
    if hotel is None:
        return BlockForm.new()
    today = hotel.desk_day()
    first = read_day(asked.get("first", ""), today) or today
    end = read_day(asked.get("end", ""), today) or first + timedelta(days=1)
    return BlockForm.new(hotel=hotel.id, rooms=rooms, first=first, end=end)


def _block(request: StaffRequest, form: BlockForm) -> Outcome:
    return blocks.block_rooms(
        actor=staff(request),
        room_ids=form.cleaned_data["rooms"],
        first=form.cleaned_data["first"],
        end=form.cleaned_data["end"],
        reason=form.reason_in_words,
        key_header=form.cleaned_data["key"],
        deadline=request.deadline,
    )


def _block_repeatedly(request: StaffRequest, form: BlockForm) -> list[Made]:
    return block_repeatedly(
        actor=staff(request),
        room_ids=form.cleaned_data["rooms"],
        dates=form.dates,
        reason=form.reason_in_words,
        key_header=form.cleaned_data["key"],
        deadline=request.deadline,
    )

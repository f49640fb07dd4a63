"""The form with which staff book for a guest, and its translation into the API's JSON."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model

from bookings.admin.choices import (
    NOTHING,
    category_options,
    hotel_options,
    room_groups,
    room_names_at,
    with_chosen,
)
from bookings.admin.forms import DayField, KeyedForm
from bookings.availability.search import CategoryStay, find_stays
from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.domain.search_terms import may_be_number
from bookings.domain.stay_request import GUEST_FIELDS, MAX_GUESTS, MAX_NOTES, MAX_ROOMS
from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.infrastructure.texts import LineField, LinesField
from bookings.refusals import Fault, ValidationFailed


class BookingForm(KeyedForm):
    """What to book, and for whom."""

    button = "Book"
    asks_after = "guests"
    shown_beside = {
        "resourceId": "room",
        "categoryId": "category",
        "rooms": "rooms",
        "rooms.categoryId": "category",
        "rooms.guests": "guests",
        "checkIn": "check_in",
        "checkOut": "check_out",
        "guests": "guests",
        "guest.name": "guest_name",
        "guest.email": "guest_email",
        "guest.phone": "guest_phone",
        "notes": "notes",
    }

    # Hotel, room and category: the service judges them, since these lists may be out of date.
    hotel = forms.CharField(required=False, max_length=64, widget=forms.Select)
    check_in = DayField(label="Check-in")
    check_out = DayField(label="Check-out")
    guests = forms.IntegerField(
        min_value=1, max_value=MAX_GUESTS, initial=1, help_text="In each room."
    )
    room = forms.CharField(
        required=False,
        max_length=64,
        widget=forms.Select,
        help_text="Choose a room, or choose a category instead.",
    )
    category = forms.CharField(
        required=False,
        max_length=64,
        widget=forms.Select,
        help_text="The site chooses a free room of this category.",
    )
    rooms = forms.IntegerField(
        label="How many rooms",
        required=False,
        min_value=1,
        max_value=MAX_ROOMS,
        help_text="Rooms of the category; you get all of them or none. One if left empty.",
    )
    guest_name = LineField(required=False, max_length=GUEST_FIELDS["name"])
    guest_email = forms.EmailField(
        label="Guest e-mail", required=False, max_length=GUEST_FIELDS["email"]
    )
    guest_phone = LineField(required=False, max_length=GUEST_FIELDS["phone"])
    guest_language = forms.ChoiceField(
        required=False, choices=settings.LANGUAGES, help_text="The language of mails to the guest."
    )
    notes = LinesField(
        required=False, max_length=MAX_NOTES, widget=forms.Textarea(attrs={"rows": 3})
    )
    hold = forms.BooleanField(
        required=False, help_text="Keep the room for a while and confirm the booking later."
    )
    owner = forms.ModelChoiceField(
        queryset=get_user_model()._default_manager.all(),
        to_field_name="username",
        required=False,
        widget=forms.TextInput,
        help_text="The username of the person who will see the booking; yours if left empty.",
        error_messages={"invalid_choice": "There is no user with this name."},
    )

    def offer(self, hotels: tuple[HotelFacts, ...]) -> None:
        """Fills the lists with what is free on the form's dates at one of these hotels, and counts
        the free rooms."""
        self.fields["hotel"].widget.choices = hotel_options(hotels)
        asked = str(self["hotel"].value() or "")
        hotel_id = asked if asked in {hotel.id for hotel in hotels} else ""
        stays: list[CategoryStay] = []
        try:
            stays = self._find_stays(hotel_id)
        except ValidationFailed as refusal:
            self.offered = " ".join(fault.message for fault in refusal.faults)
        else:
            count = sum(stay.rooms_left for stay in stays if not stay.obstacles)
            self.offered = (
                f"Free for these dates and guests: {count} room{'' if count == 1 else 's'}."
            )
        for name, listed, names in (
            ("room", room_groups(stays), partial(room_names_at, hotel_id)),
            (
                "category",
                [("Any room of", category_options(stays))],
                partial(_category_names_at, hotel_id),
            ),
        ):
            chosen = str(self[name].value() or "")
            groups = [group for group in with_chosen(listed, chosen, names=names) if group[1]]
            self.fields[name].widget.choices = [NOTHING, *groups]

    def _find_stays(self, hotel_id: str) -> list[CategoryStay]:
        """Raises ValidationFailed, also where a field holds no date or no number of guests."""
        try:
            check_in, check_out = (
                self.fields[name].clean(self[name].value()) for name in ("check_in", "check_out")
            )
            guests = self.fields["guests"].clean(self["guests"].value())
        except forms.ValidationError:
            text = "Choose dates and the number of guests to see what is free."
            raise ValidationFailed([Fault("", text)]) from None
        hear_of_changes()
        return find_stays(
            hotel_id=hotel_id,
            check_in=check_in,
            check_out=check_out,
            guests=guests,
            at_desk=True,
        )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        # A field that is wrong by itself has its error already and is missing here.
        if "room" in values and "category" in values:
            if bool(values["room"]) == bool(values["category"]):
                self.add_error("room", "Choose either a room or a category.")
            elif values["room"] and (values.get("rooms") or 1) > 1:
                self.add_error("rooms", "Choose a category to book several rooms.")
        return values

    def clean_guest_phone(self) -> str:
        phone: str = self.cleaned_data["guest_phone"]
        if phone and not may_be_number(phone):
            raise forms.ValidationError("Enter a phone number, or leave this empty.")
        return phone

    def payload(self) -> dict[str, Any]:
        """The valid form as the JSON of `POST /api/bookings`."""
        data = self.cleaned_data
        return {
            **self._wish(),
            "checkIn": data["check_in"].isoformat(),
            "checkOut": data["check_out"].isoformat(),
            "hold": data["hold"],
            "guest": {
                "name": data["guest_name"],
                "email": data["guest_email"],
                "phone": data["guest_phone"],
            },
            "notes": data["notes"],
        }

    def _wish(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data["room"]:
            return {"resourceId": data["room"], "guests": data["guests"]}
        wish = {"categoryId": data["category"], "guests": data["guests"]}
        many = data["rooms"] or 1
        return wish if many == 1 else {"rooms": [wish] * many}


def _category_names_at(hotel_id: str, category_ids: Iterable[str]) -> dict[str, str]:
    wanted = set(category_ids)
    found = inventory.list_categories(hotel_id)
    return {category.id: category.name for category in found if category.id in wanted}

"""The form with which staff book for somebody, and how it becomes what the API would receive."""

from typing import Any

from django import forms
from django.contrib.auth import get_user_model

from bookings.admin.forms import DayField, KeyedForm
from bookings.payloads import GUEST_FIELDS, MAX_GUESTS, MAX_NOTES, MAX_ROOMS


class BookingForm(KeyedForm):
    """What to book, and for whom."""

    button = "Book"
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

    room = forms.CharField(
        required=False,
        max_length=64,
        help_text="The id of the very room, as the list of rooms shows it; or else a category.",
    )
    category = forms.CharField(
        required=False,
        max_length=64,
        help_text="The id of a category: any of its rooms, chosen for you.",
    )
    rooms = forms.IntegerField(
        label="How many rooms",
        required=False,
        min_value=1,
        max_value=MAX_ROOMS,
        help_text="Of the category, all of them or none; one if left empty.",
    )
    check_in = DayField(label="Check-in")
    check_out = DayField(label="Check-out")
    guests = forms.IntegerField(
        min_value=1, max_value=MAX_GUESTS, initial=1, help_text="In each room."
    )
    hold = forms.BooleanField(
        required=False, help_text="Keep the room for a while; confirm the booking later."
    )
    owner = forms.ModelChoiceField(
        queryset=get_user_model()._default_manager.all(),
        to_field_name="username",
        required=False,
        widget=forms.TextInput,
        help_text="The username of who will see the booking; your own if left empty.",
        error_messages={"invalid_choice": "There is no user of this name."},
    )
    guest_name = forms.CharField(required=False, max_length=GUEST_FIELDS["name"])
    guest_email = forms.EmailField(
        label="Guest e-mail", required=False, max_length=GUEST_FIELDS["email"]
    )
    guest_phone = forms.CharField(required=False, max_length=GUEST_FIELDS["phone"])
    notes = forms.CharField(required=False, max_length=MAX_NOTES, widget=forms.Textarea)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        # What is wrong in itself has been said already.
        if "room" in values and "category" in values:
            if bool(values["room"]) == bool(values["category"]):
                self.add_error("room", "Name either a room or a category.")
            elif values["room"] and (values.get("rooms") or 1) > 1:
                self.add_error("rooms", "Name a category to book several rooms.")
        return values

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

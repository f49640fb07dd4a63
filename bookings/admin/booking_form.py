"""The form with which staff book for somebody, and how it becomes what the API would receive."""

import secrets
from typing import Any

from django import forms
from django.contrib.auth import get_user_model

from bookings.payloads import GUEST_FIELDS, MAX_GUESTS, MAX_NOTES

# Where the service names a field, the form shows what is wrong with it.
FORM_FIELDS = {
    "resourceId": "room",
    "checkIn": "check_in",
    "checkOut": "check_out",
    "guests": "guests",
    "guest.name": "guest_name",
    "guest.email": "guest_email",
    "guest.phone": "guest_phone",
    "notes": "notes",
}


class DayField(forms.DateField):
    """A calendar day, chosen in the browser's own calendar and sent as YYYY-MM-DD."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
        super().__init__(input_formats=["%Y-%m-%d"], widget=widget, **kwargs)


class BookingForm(forms.Form):
    """What to book, for whom, and the key under which it is booked once."""

    key = forms.CharField(widget=forms.HiddenInput, max_length=64)
    room = forms.CharField(max_length=64, help_text="The room's id, as the list of rooms shows it.")
    check_in = DayField(label="Check-in")
    check_out = DayField(label="Check-out")
    guests = forms.IntegerField(min_value=1, max_value=MAX_GUESTS, initial=1)
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

    def payload(self) -> dict[str, Any]:
        """The valid form as the JSON of `POST /api/bookings`."""
        data = self.cleaned_data
        return {
            "resourceId": data["room"],
            "checkIn": data["check_in"].isoformat(),
            "checkOut": data["check_out"].isoformat(),
            "guests": data["guests"],
            "hold": data["hold"],
            "guest": {
                "name": data["guest_name"],
                "email": data["guest_email"],
                "phone": data["guest_phone"],
            },
            "notes": data["notes"],
        }

    def renew_key(self) -> None:
        """Makes the next sending of this form another wish."""
        # Through items(), since a QueryDict unpacks into lists.
        self.data = {**dict(self.data.items()), "key": new_key()}

    def add_faults(self, faults: list[dict[str, str]]) -> None:
        """Shows the service's faults beside their fields."""
        for fault in faults:
            self.add_error(FORM_FIELDS.get(fault["field"]), fault["message"])


def new_key() -> str:
    """A key for one wish to book: it stays with the form until that wish is answered."""
    return secrets.token_urlsafe(24)

"""What the first page takes from its address: the night, and which bookings to list."""

import datetime as dt

from bson import ObjectId
from django import forms
from django.core.exceptions import ValidationError

from bookings.documents import CANCELLED, CONFIRMED, EXPIRED, PENDING
from bookings.payloads import ID, parse_date

STATUS_LABELS = {
    CONFIRMED: "Booked",
    PENDING: "On hold",
    CANCELLED: "Cancelled",
    EXPIRED: "Hold ran out",
}


class SearchForm(forms.Form):
    """`after` and `cursor` lead on to further rooms and to older bookings."""

    date = forms.CharField(
        label="Night",
        max_length=10,
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"max_length": "Choose a date that exists, written YYYY-MM-DD."},
    )
    status = forms.ChoiceField(
        label="Show",
        required=False,
        choices=[("", "All"), *STATUS_LABELS.items()],
        error_messages={"invalid_choice": "Choose one of the states in the list."},
    )
    after = forms.RegexField(regex=rf"\A{ID.pattern}\Z", required=False)
    cursor = forms.CharField(required=False, max_length=24)

    def clean_date(self) -> dt.date:
        day = parse_date(self.cleaned_data["date"])
        if day is None:
            raise ValidationError("Choose a date that exists, written YYYY-MM-DD.")
        return day

    def clean_cursor(self) -> ObjectId | None:
        text = self.cleaned_data["cursor"]
        if not text:
            return None
        if not ObjectId.is_valid(text):
            raise ValidationError("Begin again with your newest bookings.")
        return ObjectId(text)

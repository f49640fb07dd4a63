"""The forms that read the pages' URLs and POSTs."""

import datetime as dt
from typing import Any

from bson import ObjectId
from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from bookings.catalogue.inventory import HotelFacts
from bookings.domain.booking import CANCELLED, CONFIRMED, EXPIRED, PENDING
from bookings.domain.email_addresses import normalise_address
from bookings.domain.search_terms import may_be_number
from bookings.domain.stay_request import (
    GUEST_FIELDS,
    MAX_GUESTS,
    MAX_NIGHTS,
    MAX_NOTES,
    MAX_ROOMS,
    MAX_SLOTS,
    Guest,
    parse_date,
)
from bookings.infrastructure.texts import LineField, LinesField

STATUS_LABELS = {
    CONFIRMED: _("Booked"),
    PENDING: _("On hold"),
    CANCELLED: _("Cancelled"),
    EXPIRED: _("Hold expired"),
}

# The label of a cancelled hold, which was never a booking.
RELEASED = _("Released")

NO_DATE = _("Enter a valid date, as YYYY-MM-DD.")
NO_SUCH_PAGE = _("Start again from your newest bookings.")


class WrittenDayField(forms.CharField):
    """A calendar day as YYYY-MM-DD, the format that `<input type="date">` sends."""

    def __init__(self, *, label: Any) -> None:
        super().__init__(
            label=label,
            max_length=10,
            error_messages={"max_length": NO_DATE, "required": _("Choose a date.")},
        )

    def clean(self, value: Any) -> dt.date:
        day = parse_date(super().clean(value))
        if day is None:
            raise ValidationError(NO_DATE)
        return day


class CountField(forms.IntegerField):
    """A number from 1 to `most`, with one sentence for everything else."""

    def __init__(self, *, label: Any, most: int) -> None:
        sentence = format_lazy(_("Enter a whole number from 1 to {most}."), most=most)
        codes = ("required", "invalid", "min_value", "max_value")
        super().__init__(
            label=label,
            min_value=1,
            max_value=most,
            error_messages=dict.fromkeys(codes, sentence),
        )


def too_long(most: int) -> dict[str, Any]:
    """The error message of a text field that takes at most this many characters."""
    return {"max_length": format_lazy(_("Use at most {most} characters."), most=most)}


def faults_of_dates(arrival: dt.date, departure: dt.date, room_count: int) -> list[tuple[str, str]]:
    """What is wrong with the order or number of these days: the field and its sentence."""
    nights = (departure - arrival).days
    if nights < 1:
        return [("departure", str(_("Choose a departure date after the arrival date.")))]
    if nights > MAX_NIGHTS:
        sentence = _("Choose a stay of at most %(nights)s nights.") % {"nights": MAX_NIGHTS}
        return [("departure", sentence)]
    if nights * room_count > MAX_SLOTS:
        sentence = _(
            "Choose fewer rooms or a shorter stay: one booking can have %(nights)s nights at most, "
            "counted over all its rooms."
        ) % {"nights": MAX_SLOTS}
        return [("rooms", sentence)]
    return []


class SearchForm(forms.Form):
    """Where, when and how many. `hotels` are the ones to choose from."""

    hotel = forms.ChoiceField(
        label=_("Hotel"),
        error_messages=dict.fromkeys(
            ("required", "invalid_choice"), _("Choose a hotel from the list.")
        ),
    )
    arrival = WrittenDayField(label=_("Arrival"))
    departure = WrittenDayField(label=_("Departure"))
    guests = CountField(label=_("Guests per room"), most=MAX_GUESTS)
    rooms = CountField(label=_("Rooms"), most=MAX_ROOMS)

    def __init__(
        self,
        data: Any,
        *,
        hotels: list[HotelFacts],
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial)
        choices = self.fields["hotel"]
        assert isinstance(choices, forms.ChoiceField)
        choices.choices = [(hotel.id, hotel.name) for hotel in hotels]

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        arrival, departure = cleaned.get("arrival"), cleaned.get("departure")
        if arrival and departure:
            for field, sentence in faults_of_dates(arrival, departure, cleaned.get("rooms", 1)):
                self.add_error(field, sentence)
        return cleaned


class NewStayForm(forms.Form):
    """Other dates for a stay, and a category if all its rooms are of one. `categories` has ids and
    names; without any, the form does not ask."""

    arrival = WrittenDayField(label=_("Arrival"))
    departure = WrittenDayField(label=_("Departure"))
    category = forms.ChoiceField(
        label=_("Kind of room"),
        required=False,
        error_messages={"invalid_choice": _("Choose a room from the list.")},
    )

    def __init__(
        self,
        data: Any,
        *,
        categories: list[tuple[str, str]],
        room_count: int,
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial)
        self._room_count = room_count
        choices = self.fields["category"]
        assert isinstance(choices, forms.ChoiceField)
        choices.choices = categories

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("arrival") and cleaned.get("departure"):
            for _field, sentence in faults_of_dates(
                cleaned["arrival"], cleaned["departure"], self._room_count
            ):
                self.add_error("departure", sentence)
        return cleaned


class HoldForm(SearchForm):
    """A search result that the visitor chose: the search, its category and its total."""

    category = forms.CharField(max_length=64)
    total = forms.IntegerField(min_value=0)
    key = forms.CharField(max_length=255)


class GuestForm(forms.Form):
    """The guest whom the front desk expects.

    `known_phone` is the number that the booking has. It is accepted as it is, as in a confirmation
    that is sent again: a partner or an earlier release may have taken any text.
    """

    name = LineField(
        label=_("Name"),
        max_length=GUEST_FIELDS["name"],
        error_messages={"required": _("Enter your name."), **too_long(GUEST_FIELDS["name"])},
    )
    email = forms.EmailField(
        label=_("E-mail"),
        max_length=GUEST_FIELDS["email"],
        error_messages={
            "required": _("Enter your e-mail address."),
            "invalid": _("Enter an e-mail address such as name@example.org."),
            **too_long(GUEST_FIELDS["email"]),
        },
    )
    phone = LineField(
        label=_("Phone"),
        max_length=GUEST_FIELDS["phone"],
        required=False,
        error_messages=too_long(GUEST_FIELDS["phone"]),
    )
    notes = LinesField(
        label=_("Anything we should know?"),
        max_length=MAX_NOTES,
        required=False,
        error_messages=too_long(MAX_NOTES),
    )

    def __init__(
        self, data: Any = None, *, known_phone: str = "", initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=initial)
        self._known_phone = known_phone

    def clean_phone(self) -> str:
        phone: str = self.cleaned_data["phone"]
        if phone not in ("", self._known_phone) and not may_be_number(phone):
            raise ValidationError(_("Enter a phone number, or leave this empty."))
        return phone

    def clean_email(self) -> str:
        """Spells the address as accounts do, so that a search by address finds the booking."""
        return normalise_address(self.cleaned_data["email"])

    @property
    def guest(self) -> Guest:
        """The guest in the form, without invalid fields."""
        told = self.cleaned_data
        return Guest(told.get("name", ""), told.get("email", ""), told.get("phone", ""))


class ListForm(forms.Form):
    """Which of the visitor's bookings to show. `cursor` leads to older ones."""

    status = forms.ChoiceField(
        label=_("Show"),
        required=False,
        choices=[("", _("All")), *STATUS_LABELS.items()],
        error_messages={"invalid_choice": _("Choose a status from the list.")},
    )
    cursor = forms.CharField(
        required=False, max_length=24, error_messages={"max_length": NO_SUCH_PAGE}
    )

    def clean_cursor(self) -> ObjectId | None:
        text = self.cleaned_data["cursor"]
        if not text:
            return None
        if not ObjectId.is_valid(text):
            raise ValidationError(NO_SUCH_PAGE)
        return ObjectId(text)


class MonthForm(forms.Form):
    """A month of the calendar, as YYYY-MM."""

    month = forms.RegexField(regex=r"\A[0-9]{4}-(0[1-9]|1[0-2])\Z")

    def clean_month(self) -> dt.date:
        first = parse_date(f"{self.cleaned_data['month']}-01")
        if first is None:
            raise ValidationError(NO_DATE)
        return first

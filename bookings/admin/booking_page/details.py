"""The form with which staff correct what is known of a guest."""

import json
from typing import Any, Self

from django import forms
from django.conf import settings
from django.http import QueryDict

from bookings.admin.forms import KeyedForm
from bookings.admin.records import staff
from bookings.admin.staff_requests import StaffRequest
from bookings.domain.booking import CONFIRMED, Booking
from bookings.domain.email_addresses import as_people_write, respell_address
from bookings.domain.search_terms import may_be_number
from bookings.domain.stay_request import GUEST_FIELDS, MAX_NOTES, Guest
from bookings.infrastructure.texts import LineField, LinesField
from bookings.stays import corrections
from bookings.stays.corrections import Details, details_of
from bookings.stays.outcomes import Outcome

_FIELDS = ("name", "email", "phone", "notes", "language")


class GuestDetailsForm(KeyedForm):
    """The guest's details, beside those that were stored when the form was opened."""

    button = "Save"
    shown_beside = {name: name for name in (*_FIELDS, "tell")}

    seen = forms.CharField(widget=forms.HiddenInput, strip=False, max_length=20_000)
    name = LineField(required=False, max_length=GUEST_FIELDS["name"])
    # The service judges the address, unless it stays as it was.
    email = LineField(
        label="E-mail",
        required=False,
        max_length=GUEST_FIELDS["email"],
        widget=forms.EmailInput,
    )
    phone = LineField(label="Telephone", required=False, max_length=GUEST_FIELDS["phone"])
    notes = LinesField(
        required=False,
        max_length=MAX_NOTES,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The guest sees these. Colleagues’ remarks have a place of their own.",
    )
    language = forms.ChoiceField(
        choices=settings.LANGUAGES, help_text="The language of mails to the guest."
    )
    tell = forms.BooleanField(
        label="Send the guest a mail about it",
        required=False,
        help_text="If the e-mail address changes, the former address hears of that as well.",
    )

    @classmethod
    def open(cls, booking: Booking) -> Self:
        """A new form with the details as they are stored."""
        stored = details_of(booking)
        shown = {**stored.values, "email": as_people_write(stored.guest.email)}
        return cls.new(**shown, seen=json.dumps(stored.values))

    def suit(self, booking: Booking) -> Self:
        """Offers no mail for a hold, which is no booking yet; returns the form."""
        if booking.status != CONFIRMED:
            del self.fields["tell"]
        chooser = self.fields["language"]
        assert isinstance(chooser, forms.ChoiceField)
        known = list(settings.LANGUAGES)
        if booking.language not in dict(known):
            chooser.choices = [*known, (booking.language, booking.language)]
        return self

    def clean_seen(self) -> Details:
        """The details that the form showed. Raises ValidationError if they are not its own."""
        seen = _read_seen(self.cleaned_data["seen"])
        if seen is None:
            raise forms.ValidationError("Open the page again.")
        return seen

    def clean(self) -> dict[str, Any]:
        """Lets stay what was stored before it was judged, but for a name that is taken away."""
        values: dict[str, Any] = super().clean() or {}
        if (seen := values.get("seen")) is None:
            return values
        if seen.guest.name and not values.get("name", seen.guest.name):
            self.add_error("name", "Write the guest’s name.")
        phone = values.get("phone", "")
        if phone not in ("", seen.guest.phone) and not may_be_number(phone):
            self.add_error("phone", "Enter a phone number, or leave this empty.")
        return values

    @property
    def details(self) -> Details:
        """The details as they were typed."""
        typed = self.cleaned_data
        email = typed["email"]
        if email == as_people_write(typed["seen"].guest.email):
            email = typed["seen"].guest.email
        guest = Guest(typed["name"], email, typed["phone"])
        return Details(guest, typed["notes"], typed["language"])

    def correct(self, request: StaffRequest, booking_id: str) -> Outcome | None:
        """Asks the service. None if it refused; the form says why."""
        return self.send(
            lambda: corrections.correct_for_guest(
                actor=staff(request),
                booking_id=booking_id,
                key_header=self._key,
                deadline=request.deadline,
                seen=self.cleaned_data["seen"],
                details=self.details,
                tell=self.cleaned_data.get("tell", False),
            )
        )

    @property
    def _key(self) -> str:
        typed = [*self.details.values.values(), self.cleaned_data.get("tell", False)]
        return corrections.key_for(self.cleaned_data["key"], typed)

    def meet(self, booking: Booking) -> None:
        """Brings a refused form together with what a colleague has stored since it was opened.

        What was typed stays, and says what is stored instead. A field in which nothing was typed
        shows what is stored. The next *Save* is about that.
        """
        assert isinstance(self.data, QueryDict), "it is a browser's form"
        seen, stored = _read_seen(self.data.get("seen", "")), details_of(booking)
        if seen is None or seen == stored:
            return
        data = self.data.copy()
        data["seen"] = json.dumps(stored.values)
        for name in _FIELDS:
            was, now = seen.values[name], stored.values[name]
            typed = _as_stored(name, data.get(name, ""))
            if was == now or typed == now:
                continue
            shown = as_people_write(now) if name == "email" else now
            if name == "language":
                shown = dict(settings.LANGUAGES).get(now, now)
            told = f"“{shown}”" if shown else "nothing"
            if typed == was:
                data[name] = as_people_write(now) if name == "email" else now
                self.add_error(name, f"A colleague has changed this; it is now {told}.")
            else:
                self.add_error(
                    name, f"A colleague has saved {told} meanwhile; save again to replace that."
                )
        self.data = data


def _as_stored(name: str, typed: str) -> str:
    """What was typed, spelled as a stored one, for a comparison."""
    if name == "email":
        return respell_address(typed.strip())
    return typed.replace("\r\n", "\n") if name == "notes" else typed.strip()


def _read_seen(text: str) -> Details | None:
    """The details in the form's hidden field; None if there are none."""
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or sorted(values) != sorted(_FIELDS):
        return None
    if not all(isinstance(value, str) for value in values.values()):
        return None
    guest = Guest(values["name"], values["email"], values["phone"])
    return Details(guest, values["notes"], values["language"])

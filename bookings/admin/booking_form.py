"""The form with which staff book for a guest, and its translation into the API's JSON."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import BoundField

from bookings.admin.choices import (
    NOTHING,
    category_options,
    hotel_options,
    room_groups,
    room_names_at,
    with_chosen,
)
from bookings.admin.forms import MESSAGES, DayField, KeyedForm
from bookings.admin.free_of_charge import show_free_box
from bookings.availability.search import CategoryStay, find_stays
from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.domain.money import format_money, read_amount, write_amount
from bookings.domain.search_terms import may_be_number
from bookings.domain.stay_request import (
    AGREED_FIELD,
    GUEST_FIELDS,
    MAX_GUESTS,
    MAX_NIGHTS,
    MAX_NOTES,
    MAX_REASON,
    MAX_ROOMS,
    MAX_TOTAL,
    judge_length,
)
from bookings.infrastructure.quantities import quantity
from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.infrastructure.texts import LineField, LinesField
from bookings.refusals import Fault, PriceChanged, ValidationFailed

_SIZES = {"size": 12, "autocomplete": "off"}

# Browsers would offer what the clerk typed for themselves.
_NOT_THE_CLERK = {"autocomplete": "off"}


class BookingForm(KeyedForm):
    """What to book, for whom, and at which price.

    `price_lines` say what the chosen rooms cost. `may_reprice` is whether the user may sell at
    another price, and `finds_guests` whether earlier guests are offered while a name is typed.
    """

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
        AGREED_FIELD: "price",
        f"{AGREED_FIELD}.total": "price",
        f"{AGREED_FIELD}.reason": "price_reason",
    }
    _fieldsets = (
        ("Stay", ("hotel", "check_in", "nights", "check_out", "guests")),
        ("Room and price", ("room", "category", "rooms", "price", "price_reason", "allow_free")),
        ("Guest", ("guest_name", "guest_email", "guest_phone", "guest_language", "notes")),
        ("Booking", ("hold", "owner")),
    )
    may_reprice = False
    finds_guests = False
    price_lines: tuple[str, ...] = ()
    # Set once the service refused the price, until `offer` knows the present one.
    _is_price_refused = False

    # The total and its currency as the form showed them.
    quoted = forms.IntegerField(
        required=False, min_value=0, max_value=MAX_TOTAL, widget=forms.HiddenInput
    )
    currency = forms.CharField(required=False, max_length=3, widget=forms.HiddenInput)

    # Hotel, room and category: the service judges them, since these lists may be out of date.
    hotel = forms.CharField(required=False, max_length=64, widget=forms.Select)
    check_in = DayField(label="Check-in")
    nights = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_NIGHTS,
        help_text="Instead of the day of check-out.",
    )
    check_out = DayField(label="Check-out", required=False)
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
    price = LineField(
        label="Another price",
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={**_SIZES, "inputmode": "decimal"}),
    )
    price_reason = LineField(
        label="Why another price",
        required=False,
        max_length=MAX_REASON,
        widget=forms.TextInput(attrs=_NOT_THE_CLERK),
        help_text="Colleagues read it in the booking’s history. Write nothing about the guest.",
    )
    allow_free = forms.BooleanField(
        label="Free of charge", required=False, widget=forms.HiddenInput
    )
    guest_name = LineField(
        required=False,
        max_length=GUEST_FIELDS["name"],
        widget=forms.TextInput(attrs=_NOT_THE_CLERK),
    )
    guest_email = forms.EmailField(
        label="Guest e-mail",
        required=False,
        max_length=GUEST_FIELDS["email"],
        widget=forms.EmailInput(attrs=_NOT_THE_CLERK),
    )
    guest_phone = LineField(
        required=False,
        max_length=GUEST_FIELDS["phone"],
        widget=forms.TextInput(attrs=_NOT_THE_CLERK),
    )
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

    def groups(self) -> list[tuple[str, list[BoundField]]]:
        """The visible fields by fieldset. What the user may not do is shown only with a fault."""
        kept = []
        for legend, names in self._fieldsets:
            fields = [self[name] for name in names]
            shown = [
                field
                for field in fields
                if not field.is_hidden
                and (self.may_reprice or not field.name.startswith("price") or field.errors)
            ]
            kept.append((legend, shown))
        return kept

    # --- What is free, and what it costs --------------------------------------------------------

    def offer(self, hotels: tuple[HotelFacts, ...]) -> None:
        """Fills the lists with what is free on the form's dates at one of these hotels, counts the
        free rooms, and says what the chosen ones cost."""
        self.fields["hotel"].widget.choices = hotel_options(hotels)
        asked = str(self["hotel"].value() or "")
        hotel = next((hotel for hotel in hotels if hotel.id == asked), None)
        hotel_id = hotel.id if hotel else ""
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
        self._quote(stays)
        if self._is_price_refused:
            self.add_error(None, self._say_price())
        if hotel:
            self._set("currency", hotel.currency)
            example = write_amount(12_000, hotel.currency)
            # The field as a template reads it may have been made before.
            self.fields["price"].help_text = self["price"].help_text = (
                f"For all nights and rooms together, in {hotel.currency}, such as {example}. "
                "Leave it empty to sell at the price above."
            )

    def _find_stays(self, hotel_id: str) -> list[CategoryStay]:
        """Raises ValidationFailed, also where a field holds no date or no number of guests."""
        try:
            check_in = self.fields["check_in"].clean(self["check_in"].value())
            check_out = self._read_check_out(check_in)
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

    def _read_check_out(self, check_in: date) -> date:
        check_out = self.fields["check_out"].clean(self["check_out"].value())
        nights = self.fields["nights"].clean(self["nights"].value())
        return _end_of(check_in, check_out, nights)

    def _quote(self, stays: list[CategoryStay]) -> None:
        """Says what the chosen rooms cost, and remembers the total that was said."""
        room, category = (str(self[name].value() or "") for name in ("room", "category"))
        try:
            count = self.fields["rooms"].clean(self["rooms"].value()) or 1
        except forms.ValidationError:
            count = 1
        chosen = next((stay for stay in stays if _is_of(stay, room, category)), None)
        self._set("quoted", "")
        if chosen is None or chosen.price is None:
            if stays and not (room or category):
                self.price_lines = ("Choose a room or a category to see its price.",)
            return
        if chosen.rooms_left < count:
            left = quantity(chosen.rooms_left, "room")
            self.price_lines = (f"Only {left} of {chosen.category.name} can be had.",)
            return
        total = chosen.price.total * count
        self._set("quoted", total)
        each = format_money(chosen.price.total, chosen.price.currency)
        nights = quantity(len(chosen.price.nights), "night")
        if count == 1:
            self.price_lines = (f"{chosen.category.name}, {nights}: {each}",)
        else:
            together = format_money(total, chosen.price.currency)
            self.price_lines = (
                f"{chosen.category.name}, {nights}: {each} for each room",
                f"{quantity(count, 'room')} together: {together}",
            )

    def _say_price(self) -> str:
        """Why nothing was sold, after `_quote`."""
        if not self["quoted"].value():
            return "What you chose is not free on these dates, so nothing was booked."
        if self.cleaned_data["quoted"] is None:
            return f"No price was shown yet. It is below; press {self.button} to sell at it."
        return MESSAGES[PriceChanged.code].format(button=self.button)

    def refuse(self, code: str, sentence: str, content: dict[str, Any]) -> None:
        """Says of a price only what is true of the prices that the form shows next."""
        super().refuse(code, sentence, content)
        if code != PriceChanged.code:
            return
        del self.errors[NON_FIELD_ERRORS]
        held = content.get("booking")
        if held is None:
            self._is_price_refused = True
            return
        price = format_money(held["price"]["total"], held["price"]["currency"])
        self.add_error(
            None,
            f"You hold this already for {price}: {held['reference']}. Confirm that hold, or cancel "
            "it and book again.",
        )

    # --- Judging --------------------------------------------------------------------------------

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        # A field that is wrong by itself has its error already and is missing here.
        if "room" in values and "category" in values:
            if bool(values["room"]) == bool(values["category"]):
                self.add_error("room", "Choose either a room or a category.")
            elif values["room"] and (values.get("rooms") or 1) > 1:
                self.add_error("rooms", "Choose a category to book several rooms.")
        if {"check_in", "check_out", "nights"} <= values.keys():
            try:
                values["check_out"] = _end_of(
                    values["check_in"], values["check_out"], values["nights"]
                )
            except forms.ValidationError as error:
                self.add_error("check_out", error)
        if "price" in values and "price_reason" in values:
            values["total"] = self._judge_price(values)
        return values

    def _judge_price(self, values: dict[str, Any]) -> int | None:
        """The agreed total in minor units; None without one."""
        typed, reason = values["price"], values["price_reason"]
        if not typed:
            if reason:
                self.add_error("price", "Give the price, or take the reason away.")
            return None
        if not self.may_reprice:
            self.add_error("price", "You may not sell at another price.")
            return None
        currency = values.get("currency") or ""
        total = read_amount(typed, currency, decimal_comma=True) if currency else None
        if total is None or total > MAX_TOTAL:
            # Without a currency no hotel was chosen.
            example = f"{write_amount(12_000, currency)} in {currency}" if currency else "120.00"
            self.add_error("price", f"Write an amount such as {example}.")
            return None
        if not reason:
            self.add_error("price_reason", "Say why the price is another one.")
        if total == 0 and not values.get("allow_free"):
            show_free_box(self, "This stay would be free of charge.")
        return total

    def clean_guest_phone(self) -> str:
        phone: str = self.cleaned_data["guest_phone"]
        if phone and not may_be_number(phone):
            raise forms.ValidationError("Enter a phone number, or leave this empty.")
        return phone

    def payload(self) -> dict[str, Any]:
        """The valid form as the JSON of `POST /api/bookings`, with an agreed price."""
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
            **self._asked_price(),
        }

    def _asked_price(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data["total"] is not None:
            agreed = {
                "total": data["total"],
                "currency": data["currency"],
                "reason": data["price_reason"],
            }
            return {AGREED_FIELD: agreed}
        return {} if data["quoted"] is None else {"quotedTotal": data["quoted"]}

    def _wish(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data["room"]:
            return {"resourceId": data["room"], "guests": data["guests"]}
        wish = {"categoryId": data["category"], "guests": data["guests"]}
        many = data["rooms"] or 1
        return wish if many == 1 else {"rooms": [wish] * many}


def _end_of(check_in: date, check_out: date | None, nights: int | None) -> date:
    """The end of a stay that is given as a day, as a number of nights, or both. Raises
    forms.ValidationError if it is neither, or the two differ."""
    end = check_in + timedelta(days=nights) if nights else None
    if check_out is None and end is None:
        raise forms.ValidationError("Choose the day of check-out, or give the number of nights.")
    if end and check_out and end != check_out:
        if judge_length(check_in, check_out):
            return check_out  # which is wrong by itself, and the service says so
        raise forms.ValidationError(
            f"From check-in to this day it is {quantity((check_out - check_in).days, 'night')}, "
            f"not {nights}. Change one of the two, or leave one empty."
        )
    return check_out or end or check_in


def _is_of(stay: CategoryStay, room: str, category: str) -> bool:
    """Whether the room, or a room of the category, can be had in this stay."""
    if stay.obstacles:
        return False
    if room:
        return any(free.id == room for free in stay.free)
    return stay.category.id == category


def _category_names_at(hotel_id: str, category_ids: Iterable[str]) -> dict[str, str]:
    wanted = set(category_ids)
    found = inventory.list_categories(hotel_id)
    return {category.id: category.name for category in found if category.id in wanted}

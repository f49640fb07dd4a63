"""The forms of the set-up. Amounts are in currency, and what is wrong stays as it was typed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any

from django import forms
from django.http import QueryDict

from bookings.admin.money import MoneyField
from bookings.catalogue.inventory import CategoryFacts, HotelFacts, RoomFacts
from bookings.catalogue.setting_up import judge_room_names, read_room_names
from bookings.catalogue.time_zones import zones_by_region
from bookings.catalogue.usual_prices import is_unusual, median_price, tell_unusual
from bookings.domain import currencies
from bookings.domain.email_addresses import MAX_ADDRESS, normalise_address
from bookings.infrastructure.texts import LineField
from bookings.models import Hotel, valid_id
from bookings.people.colleagues import ROLES

# How many empty rows a page offers beside what is there.
NEW_CATEGORIES, NEW_COLLEAGUES = 3, 3

CHANGED_SINCE = (
    "Someone else has changed this since you opened the page, and nothing was saved. What you "
    "typed is still here; save once more to use it."
)

# Where a colleague works.
THIS_HOTEL, ALL_HOTELS = "this", "all"

# The hidden field with a digest of what the page was made of.
SEEN = "seen"


def digest_of(values: Any) -> str:
    """A digest of what a page shows, so that a form can tell whether that has changed since."""
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()


def with_field(data: Mapping[str, Any], name: str, value: str) -> QueryDict:
    """The sent data with another value of a hidden field."""
    changed = QueryDict(mutable=True)
    changed.update(data)
    changed[name] = value
    return changed


# --- 1: the hotel -------------------------------------------------------------------------------


class AddressField(LineField):
    """An e-mail address in its normalised form, or an empty text."""

    def __init__(self, **options: Any) -> None:
        widget = forms.EmailInput(attrs={"class": "vTextField", "autocomplete": "off"})
        super().__init__(max_length=MAX_ADDRESS, widget=widget, **options)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return normalise_address(text) if text else ""


class HotelStepForm(forms.Form):
    """The hotel. A new one may say its id; later that never changes."""

    name = LineField(
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField", "data-name": ""}),
        error_messages={"required": "Give the hotel its name."},
    )
    time_zone = forms.ChoiceField(
        choices=lambda: [("", "Choose a place with the hotel’s clock"), *zones_by_region().items()],
        widget=forms.Select(attrs={"data-time-zone": ""}),
        help_text="Type the beginning of the city to find it in the list.",
        error_messages={"required": "Choose a place that has the hotel’s clock."},
    )
    currency = forms.ChoiceField(
        choices=lambda: [
            ("", "Choose the currency of the prices"),
            *sorted(
                ((code, f"{name} ({code})") for code, name in currencies.NAMES.items()),
                key=lambda choice: choice[1],
            ),
        ],
        error_messages={"required": "Choose the currency of the prices."},
    )
    check_in_time = forms.TimeField(
        label="Check-in from",
        initial=time(15),
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )
    check_out_time = forms.TimeField(
        label="Check-out until",
        initial=time(11),
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )
    email = AddressField(
        label="E-mail for guests",
        required=False,
        help_text="Where guests may write to. You can leave this empty for now.",
    )
    id = forms.CharField(
        label="Short name in addresses",
        required=False,
        max_length=64,
        validators=[valid_id],
        widget=forms.TextInput(attrs={"class": "vTextField", "data-id": ""}),
        help_text=(
            "The hotel’s page is at /hotels/ and this, and it never changes. If it is left empty, "
            "it is made from the name: seaside for Seaside."
        ),
    )

    def __init__(self, *args: Any, hotel: HotelFacts | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        if hotel is None:
            return
        del self.fields["id"]
        # A hotel that was made elsewhere may have a value that the list lacks.
        for name, value in (("time_zone", hotel.time_zone), ("currency", hotel.currency)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            listed: list[Any] = [*field.choices]  # type: ignore[misc]
            if value not in _values(listed):
                field.choices = [(value, value), *listed]

    def clean_id(self) -> str:
        asked: str = self.cleaned_data["id"]
        if asked and Hotel.objects.filter(pk=asked).exists():
            raise forms.ValidationError("Another hotel has this; choose another short name.")
        return asked


def _values(choices: list[Any]) -> set[str]:
    """The values of the choices, some of which are groups."""
    values = set()
    for key, label in choices:
        values |= {value for value, _ in label} if isinstance(label, list) else {key}
    return values


def told_of(hotel: HotelFacts, email: str) -> dict[str, Any]:
    """What the form of an existing hotel shows."""
    return {
        "name": hotel.name,
        "time_zone": hotel.time_zone,
        "currency": hotel.currency,
        "check_in_time": hotel.check_in_time,
        "check_out_time": hotel.check_out_time,
        "email": email,
    }


# --- 2: the categories --------------------------------------------------------------------------


class CategoryRow(forms.Form):
    """One category: an existing one, or a new one, which may be left empty."""

    name = LineField(required=False, max_length=200, widget=forms.TextInput(attrs={"size": 24}))
    occupancy = forms.IntegerField(
        label="Guests in a room",
        required=False,
        min_value=1,
        max_value=100,
        initial=2,
        widget=forms.NumberInput(attrs={"size": 4}),
    )
    price = MoneyField(label="Price for a night", required=False)
    # The price that staff were asked about.
    asked_price = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, currency: str, category: CategoryFacts | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.category = category
        price = self.fields["price"]
        assert isinstance(price, MoneyField)
        price.set_currency(currency)
        price.help_text = ""
        # A table has its labels at the top.
        about = category.name if category else "new category"
        for name, label in (("name", "Name"), ("occupancy", "Guests"), ("price", "Price")):
            self.fields[name].widget.attrs["aria-label"] = f"{label}, {about}"

    @property
    def is_empty(self) -> bool:
        """Whether nothing was typed into a row for a new category."""
        typed = (self[name].data for name in ("name", "price"))
        return self.category is None and not any((text or "").strip() for text in typed)

    def clean(self) -> None:
        if self.is_empty:
            return
        for name, what in (
            ("name", "Give the category a name, such as Double."),
            ("occupancy", "Say how many guests a room takes."),
            ("price", "Write what a night usually costs."),
        ):
            if name not in self.errors and self.cleaned_data.get(name) in (None, ""):
                self.add_error(name, what)
        if self.cleaned_data.get("price") == 0:
            text = "Write a price above 0. Single nights can be free of charge in the calendar."
            self.add_error("price", text)


class CategoriesForm:
    """All categories of a hotel as rows, with some rows for new ones."""

    def __init__(
        self,
        hotel: HotelFacts,
        categories: Sequence[CategoryFacts],
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self.seen = digest_of([vars(category) for category in categories])
        self.is_stale = data is not None and data.get(SEEN) != self.seen
        self.hotel, self._data = hotel, data
        self._categories = categories
        self.rows = [
            CategoryRow(
                data if data is None or f"{_prefix(one)}-name" in data else None,
                prefix=_prefix(one),
                currency=hotel.currency,
                category=one,
                initial={
                    "name": one.name,
                    "occupancy": one.occupancy,
                    "price": one.default_price,
                },
            )
            for one in categories
        ]
        self.rows += [
            CategoryRow(data, prefix=f"new{number}", currency=hotel.currency)
            for number in range(NEW_CATEGORIES)
        ]

    @property
    def filled(self) -> list[CategoryRow]:
        """The rows that say something."""
        return [row for row in self.rows if row.is_bound and not row.is_empty]

    def is_valid(self) -> bool:
        """Judges every row, and the rows together."""
        wrong = [row for row in self.filled if not row.is_valid()]
        taken: dict[str, CategoryRow] = {}
        for row in self.filled:
            name = row.cleaned_data.get("name")
            if not name:
                continue
            if name.casefold() in taken:
                row.add_error("name", f"There is a category {name} already; choose another name.")
                wrong.append(row)
            taken.setdefault(name.casefold(), row)
        wrong += [row for row in self.filled if not self._is_usual(row)]
        return not wrong

    def _is_usual(self, row: CategoryRow) -> bool:
        """Refuses an unusual price until it is sent a second time."""
        price = row.cleaned_data.get("price")
        usual = self._usual_price(row)
        if price is None or usual is None or row.cleaned_data.get("asked_price") == str(price):
            return True
        if "price" not in row.changed_data or not is_unusual(price, usual):
            return True
        told = tell_unusual(price, usual, self.hotel.currency)
        row.add_error("price", f"{told} If this is right, save once more.")
        row.data = with_field(row.data, row.add_prefix("asked_price"), str(price))
        return False

    def _usual_price(self, row: CategoryRow) -> int | None:
        if row.category is not None:
            return row.category.default_price
        above = self.filled[: self.filled.index(row)]
        new = [other.cleaned_data.get("price") or 0 for other in above if not other.category]
        return median_price([*(category.default_price for category in self._categories), *new])

    @property
    def has_errors(self) -> bool:
        return any(row.errors for row in self.filled)


def _prefix(category: CategoryFacts) -> str:
    return f"category-{category.id}"


# --- 3: the rooms -------------------------------------------------------------------------------


class RoomsForm(forms.Form):
    """A text for each category, which names rooms: `101-110, 201`; cleans to lists of names."""

    def __init__(
        self,
        house: Sequence[tuple[CategoryFacts, list[RoomFacts]]],
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data)
        self.house = house
        for category, rooms in house:
            self.fields[category.id] = forms.CharField(
                label=f"{category.name}: {'add rooms' if rooms else 'rooms'}",
                required=False,
                max_length=5_000,
                widget=forms.Textarea(attrs={"rows": 2, "cols": 60}),
            )

    def clean(self) -> None:
        asked: dict[str, str] = {}
        for category, _ in self.house:
            text = self.cleaned_data.get(category.id)
            if text is None:
                continue
            try:
                names = read_room_names(text)
            except ValueError as fault:
                self.add_error(category.id, str(fault))
                continue
            if told := judge_room_names(names, category.id, self.house):
                self.add_error(category.id, told)
            if twice := [name for name in names if name in asked]:
                text = f"{', '.join(twice[:10])}: listed under {asked[twice[0]]}, too."
                self.add_error(category.id, f"{text} Remove them from one of the two.")
            asked |= dict.fromkeys(names, category.name)
            self.cleaned_data[category.id] = names

    @property
    def lines(self) -> list[tuple[CategoryFacts, list[RoomFacts], Any]]:
        """Each category with its rooms and its field."""
        return [(category, rooms, self[category.id]) for category, rooms in self.house]


# --- 5: the colleagues --------------------------------------------------------------------------


class ColleagueRow(forms.Form):
    """One colleague to invite; a row may be left empty."""

    address = AddressField(label="E-mail", required=False)
    name = LineField(required=False, max_length=150, widget=forms.TextInput(attrs={"size": 24}))
    role = forms.ChoiceField(choices=[(role, role.capitalize()) for role in ROLES])
    hotels = forms.ChoiceField(
        choices=[(THIS_HOTEL, "This hotel"), (ALL_HOTELS, "All hotels")], required=False
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, label in (
            ("address", "E-mail"),
            ("name", "Name"),
            ("role", "Role"),
            ("hotels", "Works at"),
        ):
            self.fields[name].widget.attrs["aria-label"] = label

    @property
    def is_empty(self) -> bool:
        return not any((self[name].data or "").strip() for name in ("address", "name"))

    def clean(self) -> None:
        if not self.is_empty and not self.errors and not self.cleaned_data.get("address"):
            self.add_error("address", "Write the e-mail address of your colleague.")

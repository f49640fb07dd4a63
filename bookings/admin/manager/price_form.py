"""The form that changes prices and restrictions, of a single night or of many at once."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import QueryDict

from bookings.admin.forms import DayField
from bookings.admin.manager.jobs import JobKeyField
from bookings.admin.money import MoneyField, read_price
from bookings.catalogue import inventory, night_changes
from bookings.catalogue.inventory import HotelFacts
from bookings.catalogue.night_changes import ChangePlan, Wish
from bookings.catalogue.nights import WEEKDAYS
from bookings.domain.money import format_money, write_amount
from bookings.presentation.days import day_text, with_days_in_words
from bookings.refusals import ValidationFailed

# The log has room for the names of this many categories.
MAX_NAMED_CATEGORIES = 5

_LEAVE = ("", "Leave as it is")
_SETTINGS = {"": None, "yes": True, "no": False}

_CHANGE = re.compile(r"([+-])\s*([0-9.,]+)\s*(%?)", re.ASCII)
_PERCENTAGE = re.compile(r"[0-9]{1,5}(?:[.,][0-9]{1,2})?", re.ASCII)


@dataclass(frozen=True)
class PriceWish:
    """A price to set, or how to change it; amounts are in minor units, and at most one is set."""

    price: int | None = None
    amount: int | None = None
    percent: Decimal | None = None


class PriceWishField(MoneyField):
    """A price like `120.00`, or a change of it like `+10 %` or `-5.00`; cleans to a PriceWish."""

    def set_currency(self, currency: str) -> None:
        super().set_currency(currency)
        some = write_amount(500, currency) if currency else "5.00"
        self.help_text += f" +10 % or -{some} changes what a night costs now."

    def clean(self, value: Any) -> Any:
        # Some keyboards write a minus as typesetters do.
        text = forms.CharField.clean(self, value).strip().replace("\N{MINUS SIGN}", "-")
        change = _CHANGE.fullmatch(text)
        if change is None:
            if text.endswith("%"):
                raise forms.ValidationError("Write +10 % to raise prices, or -10 % to lower them.")
            return PriceWish(price=super().clean(text))
        sign, number, is_percent = change.groups()
        factor = 1 if sign == "+" else -1
        if not is_percent:
            return PriceWish(amount=factor * read_price(number, self.currency))
        if _PERCENTAGE.fullmatch(number) is None:
            raise forms.ValidationError("Write a percentage like +10 % or -2.5 %.")
        return PriceWish(percent=factor * Decimal(number.replace(",", ".")))


class ChangeForm(forms.Form):
    """Which nights to change, and what to set."""

    hotel = forms.CharField(widget=forms.HiddenInput, max_length=64)
    key = JobKeyField()
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)
    # The page shows this as a box beside the button that applies the change.
    allow_free = forms.BooleanField(widget=forms.HiddenInput, required=False)
    categories = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    first = DayField(label="First night")
    last = DayField(label="Last night", help_text="Included.")
    weekdays = forms.MultipleChoiceField(
        choices=[(day, day.capitalize()) for day in WEEKDAYS],
        initial=WEEKDAYS,
        widget=forms.CheckboxSelectMultiple,
    )
    price = PriceWishField(required=False)
    percent = forms.DecimalField(
        label="Or change it by a percentage",
        required=False,
        max_digits=7,
        decimal_places=2,
        help_text="10 raises, -5 lowers. The result is rounded half up to the smallest coin.",
    )
    closed = forms.ChoiceField(
        label="Sale", required=False, choices=[_LEAVE, ("yes", "Close"), ("no", "Open")]
    )
    min_stay = forms.IntegerField(label="Minimum stay", required=False)
    closed_to_arrival = forms.ChoiceField(
        label="Arrival", required=False, choices=[_LEAVE, ("yes", "Closed"), ("no", "Open")]
    )
    closed_to_departure = forms.ChoiceField(
        label="Departure", required=False, choices=[_LEAVE, ("yes", "Closed"), ("no", "Open")]
    )

    def __init__(self, hotel: HotelFacts, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hotel_facts = hotel
        self.choices = [
            (category.id, category.name) for category in inventory.list_categories(hotel.id)
        ]
        chooser = self.fields["categories"]
        assert isinstance(chooser, forms.MultipleChoiceField)
        chooser.choices = self.choices
        price = self.fields["price"]
        assert isinstance(price, MoneyField)
        price.set_currency(hotel.currency)

    def clean(self) -> None:
        both = self.cleaned_data.get("price"), self.cleaned_data.get("percent")
        if both[0] and both[0].percent is not None and both[1] is not None:
            self.add_error("percent", "Give the percentage once.")

    @property
    def wish(self) -> Wish:
        """The changes that the valid form asks for."""
        data = self.cleaned_data
        price: PriceWish = data["price"]
        return Wish(
            price=price.price,
            amount=price.amount,
            percent=price.percent if data["percent"] is None else data["percent"],
            is_closed=_SETTINGS[data["closed"]],
            min_stay=data["min_stay"],
            is_closed_to_arrival=_SETTINGS[data["closed_to_arrival"]],
            is_closed_to_departure=_SETTINGS[data["closed_to_departure"]],
        )

    def plan(self) -> ChangePlan | None:
        """What the form would change; None if it is wrong, with the faults beside their fields."""
        if not self.is_valid():
            return None
        data = self.cleaned_data
        try:
            return night_changes.plan_change(
                hotel_id=self.hotel_facts.id,
                category_ids=data["categories"],
                first=data["first"],
                last=data["last"],
                weekdays=data["weekdays"],
                wish=self.wish,
            )
        except ValidationFailed as refusal:
            is_in_price = data["percent"] is None and data["price"] != PriceWish()
            beside = {"percent": "price"} if is_in_price else {}
            for fault in refusal.faults:
                field = beside.get(fault.field, fault.field)
                self.add_error(
                    field if field in self.fields else None, with_days_in_words(fault.message)
                )
            return None

    def renew(self, **fields: str) -> None:
        """Sets hidden fields, which the browser sends next time."""
        data = QueryDict(mutable=True)
        data.update(self.data)
        for name, value in fields.items():
            data[name] = value
        self.data = data

    def tell_faults(self) -> list[str]:
        """What is wrong, each fault with the name of its field."""
        return [
            str(error) if field == NON_FIELD_ERRORS else f"{self[field].label}: {error}"
            for field, errors in self.errors.items()
            for error in errors
        ]

    def describe(self) -> str:
        """The valid form in words, for the log and the list of jobs."""
        wish, currency = self.wish, self.hotel_facts.currency
        parts = []
        if wish.price is not None:
            parts.append(f"price {format_money(wish.price, currency)}")
        if wish.amount is not None:
            sign = "-" if wish.amount < 0 else "+"
            parts.append(f"price {sign}{format_money(abs(wish.amount), currency)}")
        if wish.percent is not None:
            parts.append(f"price {wish.percent:+f} %")
        for text, value in (
            ("sale", wish.is_closed),
            ("arrival", wish.is_closed_to_arrival),
            ("departure", wish.is_closed_to_departure),
        ):
            if value is not None:
                parts.append(f"{text} {'closed' if value else 'open'}")
        if wish.min_stay is not None:
            parts.append(f"minimum stay {wish.min_stay}")
        return f"Set {', '.join(parts)} {self._describe_days()} for {self._describe_categories()}"

    def _describe_days(self) -> str:
        data = self.cleaned_data
        if data["first"] == data["last"]:
            return f"on {day_text(data['first'])}"
        days = "" if len(data["weekdays"]) == len(WEEKDAYS) else f" ({', '.join(data['weekdays'])})"
        return f"from {day_text(data['first'])} to {day_text(data['last'])}{days}"

    def _describe_categories(self) -> str:
        chosen = self.cleaned_data["categories"]
        if len(chosen) == len(self.choices) > 1:
            return "all categories"
        if len(chosen) > MAX_NAMED_CATEGORIES:
            return f"{len(chosen)} categories"
        names = dict(self.choices)
        return ", ".join(names[category] for category in chosen)

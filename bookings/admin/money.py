"""Amounts in staff's forms: written in the hotel's currency, and asked about if they look wrong."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.functional import cached_property

from bookings.admin.free_of_charge import AsksBeforeFree
from bookings.catalogue import inventory
from bookings.catalogue.usual_prices import is_unusual, tell_unusual
from bookings.domain.money import count_digits, format_money, read_amount, write_amount
from bookings.models import MAX_NIGHT_PRICE

# The hidden field with the price that staff were asked about.
ASKED_PRICE = "asked_price"


class MoneyField(forms.CharField):
    """A price for a night, written like `120.00` or `120,00`; cleans to minor units, or None.

    Without a currency nothing can be read, and nothing is said about it: the form says that the
    hotel is missing.
    """

    def __init__(self, *, currency: str = "", **options: Any) -> None:
        super().__init__(
            max_length=20,
            widget=forms.TextInput(
                attrs={"inputmode": "decimal", "size": 12, "autocomplete": "off"}
            ),
            **options,
        )
        self.set_currency(currency)

    def set_currency(self, currency: str) -> None:
        """Says in which currency amounts are."""
        self.currency = currency
        if currency:
            self.help_text = f"In {currency}, such as {write_amount(12_000, currency)}."
        else:
            self.help_text = "In the hotel’s currency, such as 120.00."

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, int):
            return write_amount(value, self.currency) if self.currency else ""
        return value

    def clean(self, value: Any) -> Any:
        text = super().clean(value).strip()
        if not text or not self.currency:
            return None
        return read_price(text, self.currency)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return self.clean(data) != initial
        except ValidationError:
            return True


def read_price(text: str, currency: str) -> int:
    """The price in minor units. Raises ValidationError with a sentence that says how to write it.

    More decimals than the currency has are refused, never rounded.
    """
    amount = read_amount(text, currency, decimal_comma=True)
    if amount is None:
        digits = count_digits(currency)
        decimals = f"and with at most {digits} decimals" if digits else "and without decimals"
        raise ValidationError(
            f"Write the price in {currency} as {write_amount(12_000, currency)}, without thousands "
            f"separators {decimals}."
        )
    if amount > MAX_NIGHT_PRICE:
        raise ValidationError(f"Give at most {format_money(MAX_NIGHT_PRICE, currency)}.")
    return amount


class AsksAboutPrices(AsksBeforeFree):
    """Refuses an unusual price until staff send it a second time. `price_field` is a MoneyField."""

    price_field: ClassVar[str]
    # The field, of the object or as sent, that tells the hotel and so the currency.
    priced_by: ClassVar[Literal["hotel", "category"]]

    asked_price = forms.CharField(required=False, widget=forms.HiddenInput, max_length=20)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Only who may change the object has the field.
        if field := self.fields.get(self.price_field):
            assert isinstance(field, MoneyField)
            field.set_currency(self._find_currency())

    def _find_currency(self) -> str:
        """The currency of the hotel of the object, or else of what was sent; empty if unknown."""
        name = self.priced_by
        asked: str = getattr(self.instance, f"{name}_id", None) or ""
        if not asked:
            typed = self.data.get(name) or self.initial.get(name) or ""
            # Only what the form offers: people could type the hotels of others.
            asked = typed if self._is_offered(name, typed) else ""
        if name == "category":
            category = inventory.find_category(asked)
            asked = category.hotel if category else ""
        hotel = inventory.find_hotel(asked)
        return hotel.currency if hotel else ""

    def _is_offered(self, name: str, key: str) -> bool:
        chooser = self.fields[name]
        assert isinstance(chooser, forms.ModelChoiceField)
        assert chooser.queryset is not None
        return bool(key) and chooser.queryset.filter(pk=key).exists()

    def ask_about_unusual(self, usual_prices: Sequence[int | None]) -> None:
        """Refuses the price, in minor units, if it is unusual beside one of these and was not
        sent a second time."""
        price = self.cleaned_data.get(self.price_field)
        if price is None or self.price_field not in self.changed_data:
            return
        if self.cleaned_data.get(ASKED_PRICE) == str(price):
            return
        for usual in usual_prices:
            if usual and is_unusual(price, usual):
                field = self.fields[self.price_field]
                assert isinstance(field, MoneyField)
                told = tell_unusual(price, usual, field.currency)
                self.add_error(self.price_field, f"{told} If this is right, save once more.")
                data = QueryDict(mutable=True)
                data.update(self.data)
                data[ASKED_PRICE] = str(price)
                self.data = data
                return

    def _get_validation_exclusions(self) -> set[str]:
        """Leaves out a price that could not be read, or the model would call it missing."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        field = self.fields.get(self.price_field)
        is_unread = isinstance(field, MoneyField) and not field.currency
        return excluded | {self.price_field} if is_unread else excluded

    @cached_property
    def changed_data(self) -> Any:
        """The object's changed fields; the question is not one of them."""
        return [name for name in super().changed_data if name != ASKED_PRICE]

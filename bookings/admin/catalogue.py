"""Hotels, categories and rooms.

Bookings and their slots name these by id, and the index that keeps a night from being sold
twice holds for a hotel and a room. So an id never changes, and neither does the hotel that
a room belongs to: a room in another hotel would have all its nights to sell again.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest

from bookings import clock, lookups
from bookings.admin.adding import AddsOnce
from bookings.admin.deletion import RefusesDeletion
from bookings.admin.free_of_charge import AsksBeforeFree
from bookings.models import Hotel, Night, Room, RoomCategory
from bookings.money import format_money


class CatalogueAdmin(AddsOnce, RefusesDeletion):
    # What is written once, when the object is added.
    fixed: tuple[str, ...] = ("id",)
    list_per_page = 50

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fixed if obj else ()


class HotelForm(forms.ModelForm):
    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"]
        if self.instance._state.adding:
            return currency
        hotel = Hotel.objects.get(pk=self.instance.pk)
        # A stay keeps its currency, so a move would add amounts of two.
        if currency != hotel.currency and lookups.has_priced_stays(
            hotel.pk, clock.today(hotel.time_zone)
        ):
            text = f"Stays from today on are priced in {hotel.currency}; change it after them."
            raise ValidationError(text)
        return currency


@admin.register(Hotel)
class HotelAdmin(CatalogueAdmin):
    form = HotelForm
    list_display = ("name", "id", "code", "time_zone", "currency", "hold_minutes", "cancel_hours")
    search_fields = ("name", "id", "code")

    def refuse_deletion(self, objects: list[Hotel]) -> list[str]:
        ids = [hotel.pk for hotel in objects]
        kept = lookups.find_referred("hotel", ids)
        kept.update(RoomCategory.objects.filter(hotel__in=ids).values_list("hotel_id", flat=True))
        return [
            f"{hotel} has room categories or bookings, so it cannot be deleted."
            for hotel in objects
            if hotel.pk in kept
        ]


class RoomCategoryForm(AsksBeforeFree):
    def clean(self) -> None:
        super().clean()
        if self.cleaned_data.get("default_price") == 0:
            sold = ("sell_by_default",) if self.cleaned_data.get("sell_by_default") else ()
            if self.is_free_unasked("default_price", *sold):
                self.ask_about_free()


@admin.register(RoomCategory)
class RoomCategoryAdmin(CatalogueAdmin):
    form = RoomCategoryForm
    fixed = ("id", "hotel")
    list_display = ("name", "id", "hotel", "occupancy", "night_price", "sell_by_default")
    list_filter = ("hotel", "sell_by_default")
    list_select_related = ("hotel",)
    search_fields = ("name", "id")
    autocomplete_fields = ("hotel",)

    @admin.display(description="default price", ordering="default_price")
    def night_price(self, category: RoomCategory) -> str:
        return format_money(category.default_price, category.hotel.currency)

    def refuse_deletion(self, objects: list[RoomCategory]) -> list[str]:
        ids = [category.pk for category in objects]
        kept = lookups.find_referred("rooms.category", ids)
        kept.update(Room.objects.filter(category__in=ids).values_list("category_id", flat=True))
        nights = Night.objects.filter(category__in=ids).values_list("category_id", flat=True)
        priced = set(nights.distinct()) - kept
        return [
            f"{category} ({category.pk}) has rooms or bookings, so it cannot be deleted; "
            "stop selling it instead."
            for category in objects
            if category.pk in kept
        ] + [
            f"{category} ({category.pk}) has nights in the calendar; delete those first."
            for category in objects
            if category.pk in priced
        ]


class RoomForm(forms.ModelForm):
    def clean_category(self) -> RoomCategory:
        category: RoomCategory = self.cleaned_data["category"]
        if not self.instance._state.adding:
            before = RoomCategory.objects.get(pk=self.instance.category_id)
            if category.hotel_id != before.hotel_id:
                raise ValidationError("A room stays in its hotel; choose one of its categories.")
        return category


@admin.register(Room)
class RoomAdmin(CatalogueAdmin):
    form = RoomForm
    list_display = ("name", "id", "category", "hotel", "is_sold")
    list_filter = ("is_sold", "category__hotel")
    list_select_related = ("category__hotel",)
    search_fields = ("name", "id")
    autocomplete_fields = ("category",)

    @admin.display(description="hotel")
    def hotel(self, room: Room) -> str:
        return room.category.hotel.name

    def refuse_deletion(self, objects: list[Room]) -> list[str]:
        kept = lookups.find_referred("rooms.room", [room.pk for room in objects])
        return [
            f"{room} ({room.pk}) has bookings, so it cannot be deleted; take it off sale instead."
            for room in objects
            if room.pk in kept
        ]

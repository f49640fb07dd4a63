"""Hotels, categories and rooms.

Bookings and their slots refer to these by id, and the index that keeps a night from being sold
twice covers a hotel and a room. So an id never changes, and a room never changes hotels: in another
hotel, all its nights could be sold again.
"""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet, TimeField
from django.db.models.functions import Now
from django.http import HttpRequest

from bookings.admin.changing import ChangesWhatWasSeen
from bookings.admin.content import LinksToContent, PartsField
from bookings.admin.deletion import KeepsWhatHasParts, RefusesDeletion
from bookings.admin.money import AsksAboutPrices, MoneyField
from bookings.admin.own_hotels import OfHotels, OwnHotelsFilter
from bookings.catalogue import inventory, withdrawal
from bookings.catalogue.ids import make_room_ids
from bookings.catalogue.usual_prices import usual_price_of_hotel
from bookings.content.photos import changes
from bookings.domain.money import format_money
from bookings.infrastructure import clock
from bookings.infrastructure.texts import LineField
from bookings.models import (
    CategoryContent,
    Hotel,
    HotelContent,
    Night,
    Room,
    RoomCategory,
    TextsField,
)
from bookings.people import retention_rules, staff_hotels
from bookings.stays import queries

# A booking may be under way for a room that was for sale a moment ago; see
# bookings/catalogue/withdrawal.py.
WAIT = f"{withdrawal.STILL_SOLD.total_seconds() / 60:.0f} minutes"


class CatalogueAdmin(OfHotels, ChangesWhatWasSeen, RefusesDeletion):
    """Hotels, categories and rooms. Fields in `fixed` are read-only once the object exists."""

    # Fields that are set when the object is added and never change.
    fixed: tuple[str, ...] = ("id",)
    list_per_page = 50

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fixed if obj else ()


class HotelForm(forms.ModelForm):
    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"]
        if self.instance._state.adding:
            return currency
        hotel = inventory.find_hotel(self.instance.pk)
        # A stay keeps its currency and gets no new nights in another one. A booking made
        # during this check is refused such nights when it is moved.
        if (
            hotel
            and currency != hotel.currency
            and queries.may_be_repriced(hotel.id, hotel.desk_day())
        ):
            text = f"Stays or holds from today on are priced in {hotel.currency}"
            raise ValidationError(f"{text}; change it once they have ended.")
        return currency


@admin.register(Hotel)
class HotelAdmin(LinksToContent, CatalogueAdmin, KeepsWhatHasParts):
    form = HotelForm
    whose = "pk"
    content = HotelContent
    list_display = ("name", "id", "code", "time_zone", "currency", "hold_minutes", "cancel_hours")
    search_fields = ("name", "id", "code")
    # Django's own widget compares the browser's clock with the server's, and these are the hotel's.
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        TimeField: {"widget": forms.TimeInput(format="%H:%M", attrs={"type": "time"})}
    }

    def delete_one(self, obj: Hotel) -> bool:
        if not super().delete_one(obj):
            return False
        staff_hotels.forget_hotel(obj.pk)
        retention_rules.forget_hotel(obj.pk)
        return True

    def refuse_deletion(self, objects: list[Hotel]) -> list[str]:
        ids = [hotel.pk for hotel in objects]
        kept = queries.find_referred("hotel", ids)
        # In no order: the model's own joins hotels, and this one may be gone by now.
        categories = RoomCategory.objects.filter(hotel__in=ids).order_by()
        kept.update(categories.values_list("hotel_id", flat=True))
        return [
            f"{hotel} has room categories or bookings, so it cannot be deleted."
            for hotel in objects
            if hotel.pk in kept
        ] + [
            f"{hotel} has photos; delete those first."
            for hotel in objects
            if hotel.pk in changes.hotels_with_photos(ids) - kept
        ]


class NamesField(PartsField):
    """A name in each language of the site but the first, in which the name itself is."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        parts = {
            code: LineField(label=name, required=False, max_length=max_length)
            for code, name in settings.LANGUAGES
            if code != settings.LANGUAGE_CODE
        }
        for code, part in parts.items():
            part.widget.attrs["lang"] = code
        super().__init__(parts, **options)


class RoomCategoryForm(AsksAboutPrices):
    price_field = "default_price"
    priced_by = "hotel"
    default_price = MoneyField(label="Price for a night")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance._state.adding:
            # The model's own default means another amount in each currency.
            self.initial["default_price"] = None

    def clean(self) -> None:
        super().clean()
        if not self.instance._state.adding:
            self.ask_about_unusual([self.initial.get("default_price")])
        elif hotel := self.cleaned_data.get("hotel"):
            self.ask_about_unusual([usual_price_of_hotel(hotel.pk)])
        if self.cleaned_data.get("default_price") == 0:
            sold = ("sell_by_default",) if self.cleaned_data.get("sell_by_default") else ()
            if self.is_free_unasked("default_price", *sold):
                self.ask_about_free()


@admin.register(RoomCategory)
class RoomCategoryAdmin(LinksToContent, CatalogueAdmin, KeepsWhatHasParts):
    form = RoomCategoryForm
    whose = "hotel"
    formfield_overrides: ClassVar = {TextsField: {"form_class": NamesField}}
    content = CategoryContent
    whole = "hotel"
    fixed = ("id", "hotel")
    list_display = ("name", "id", "hotel", "occupancy", "night_price", "sell_by_default")
    list_filter = (("hotel", OwnHotelsFilter), "sell_by_default")
    list_select_related = ("hotel",)
    search_fields = ("name", "id")
    autocomplete_fields = ("hotel",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Shows the price in its currency to those who may only look."""
        fields = super().get_fields(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fields
        return ["night_price" if name == "default_price" else name for name in fields]

    @admin.display(description="price for a night", ordering="default_price")
    def night_price(self, category: RoomCategory) -> str:
        return format_money(category.default_price, category.hotel.currency)

    def refuse_deletion(self, objects: list[RoomCategory]) -> list[str]:
        ids = [category.pk for category in objects]
        kept = queries.find_referred("rooms.category", ids)
        kept.update(Room.objects.filter(category__in=ids).values_list("category_id", flat=True))
        nights = Night.objects.filter(category__in=ids).values_list("category_id", flat=True)
        priced = set(nights.distinct()) - kept
        hotels = {category.pk: category.hotel_id for category in objects}
        shown = changes.categories_with_photos(hotels) - kept - priced
        return (
            [
                f"{category} ({category.pk}) has rooms or bookings, so it cannot be deleted; "
                "stop selling it instead."
                for category in objects
                if category.pk in kept
            ]
            + [
                f"{category} ({category.pk}) has nights in the calendar; delete those first."
                for category in objects
                if category.pk in priced
            ]
            + [
                f"{category} ({category.pk}) has photos; delete those first."
                for category in objects
                if category.pk in shown
            ]
        )


class RoomForm(forms.ModelForm):
    def clean_category(self) -> RoomCategory:
        category: RoomCategory = self.cleaned_data["category"]
        if not self.instance._state.adding:
            before = RoomCategory.objects.get(pk=self.instance.category_id)
            if category.hotel_id != before.hotel_id:
                raise ValidationError("A room stays in its hotel. Choose a category of that hotel.")
            if category != before and not withdrawal.is_settled(self.instance.pk):
                raise ValidationError(_why_not_settled(self.instance, "change its category"))
        return category

    def clean(self) -> None:
        """Refuses a name that another room of the hotel has, and a new category together with a
        return to sale: only after the save does the admin look whether the category still exists,
        and nothing may be sold until then."""
        category, name = self.cleaned_data.get("category"), self.cleaned_data.get("name")
        if category and name:
            # Through the categories, since rooms of the release before say no hotel.
            named = Room.objects.filter(category__hotel=category.hotel_id, name=name)
            if named.exclude(pk=self.instance.pk).exists():
                text = f"{category.hotel} has a room {name} already; choose another name."
                self.add_error("name", text)
        if not self.instance._state.adding and {"category", "is_sold"} <= set(self.changed_data):
            text = "First save the room in its new category, then put it on sale."
            self.add_error("is_sold", text)


def _why_not_settled(room: Room, wish: str) -> str:
    """Why the wish must wait, and what to do first. Reads the stored room, not the form's."""
    room = Room.objects.get(pk=room.pk)
    named = f"{room} ({room.pk})"
    if room.is_sold:
        return f"{named} is for sale. Take this room off sale, and {wish} {WAIT} later."
    if room.off_sale_since is None:
        return f"Save {named} once more, still off sale, and {wish} {WAIT} later."
    return (
        f"{named} went off sale less than {WAIT} ago, and a booking for it may still be under way. "
        f"Wait a little, then {wish}."
    )


@admin.register(Room)
class RoomAdmin(CatalogueAdmin):
    form = RoomForm
    whose = "category"
    whole = "category"
    list_display = ("name", "id", "category", "hotel", "is_sold")
    list_filter = ("is_sold", ("category__hotel", OwnHotelsFilter))
    list_select_related = ("category__hotel",)
    search_fields = ("name", "id")
    autocomplete_fields = ("category",)
    actions = ("take_off_sale",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """The id is made from hotel and name, so no one types it."""
        shown = ("category", "name", "is_sold")
        return ("id", *shown) if obj else shown

    @admin.display(description="hotel")
    def hotel(self, room: Room) -> str:
        return room.category.hotel.name

    def save_model(self, request: HttpRequest, obj: Room, form: Any, change: bool) -> None:
        """Puts a new room on sale only once its category was found after the insert."""
        if change:
            super().save_model(request, obj, form, change)
            return
        is_sold = obj.is_sold
        (obj.pk,) = make_room_ids(obj.category.hotel_id, [obj.name])
        obj.is_sold, obj.off_sale_since = False, clock.now()
        super().save_model(request, obj, form, change)
        if is_sold:
            Room.objects.filter(pk=obj.pk).update(is_sold=True, off_sale_since=None)

    def values_beside(self, obj: Room, values: dict[str, Any]) -> dict[str, Any]:
        """When the room went off sale, by MongoDB's clock, in the same write that takes it off; and
        its hotel, which a room of the release before may lack."""
        beside = {"hotel": obj.category.hotel_id} if values else {}
        if obj.is_sold:
            return beside | ({"off_sale_since": None} if "is_sold" in values else {})
        # Always: an older release that does not know the field may have left an old time.
        return beside | {"off_sale_since": Now()}

    @admin.action(description="Take selected rooms off sale", permissions=["change"])
    def take_off_sale(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        """Takes the rooms off sale that are for sale, and logs one line for each."""
        ids = [room.pk for room in queryset]
        sold = Room.objects.filter(pk__in=ids, is_sold=True)
        for room in sold:
            self.log_change(request, room, "Taken off sale.")
        taken = sold.update(is_sold=False, off_sale_since=Now())
        self.message_user(request, f"Rooms taken off sale: {taken}.", messages.SUCCESS)

    def condition_beside(self, obj: Room) -> dict[str, Any]:
        return {"off_sale_since": obj.off_sale_since}

    def refuse_deletion(self, objects: list[Room]) -> list[str]:
        # In this order: no new booking can refer to a room once it is settled.
        unsettled = {room.pk for room in objects if not withdrawal.is_settled(room.pk)}
        kept = queries.find_referred("rooms.room", [room.pk for room in objects])
        return [
            f"{room} ({room.pk}) has bookings, so it cannot be deleted; take it off sale instead."
            if room.pk in kept
            else _why_not_settled(room, "delete it")
            for room in objects
            if room.pk in kept | unsettled
        ]

    def delete_one(self, obj: Room) -> bool:
        return withdrawal.delete_room(obj.pk, off_sale_since=obj.off_sale_since)

"""The hotels that the user of an admin page belongs to: the one door through which pages find
hotels and what is theirs. A hotel of others is unknown, just as one that does not exist.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.models import RoomCategory
from bookings.people.staff_hotels import Hotels, hotels_of


def own_hotels(request: HttpRequest) -> Hotels:
    """The ids of the hotels that the user belongs to; None means all."""
    return hotels_of(request.user)


def is_own(request: HttpRequest, hotel_id: str) -> bool:
    """Whether the user belongs to this hotel."""
    own = own_hotels(request)
    return own is None or hotel_id in own


def _of_user(request: HttpRequest, hotels: list[HotelFacts]) -> list[HotelFacts]:
    return [hotel for hotel in hotels if is_own(request, hotel.id)]


def list_own(request: HttpRequest) -> list[HotelFacts]:
    """The user's hotels, by name."""
    return _of_user(request, inventory.list_hotels())


def list_recent_own(request: HttpRequest) -> list[HotelFacts]:
    """As `list_own`, but what it says may be two seconds old."""
    return _of_user(request, inventory.recent_hotels())


def find_own(request: HttpRequest, hotel_id: str) -> HotelFacts | None:
    """The hotel with this id, if the user belongs to it."""
    return inventory.find_hotel(hotel_id) if is_own(request, hotel_id) else None


def name_hotels(request: HttpRequest) -> list[tuple[str, str]]:
    """The user's hotels as (id, name), by name."""
    return [(hotel.id, hotel.name) for hotel in list_own(request)]


def own_categories(request: HttpRequest) -> QuerySet[RoomCategory]:
    """The categories of the user's hotels."""
    return narrow(request, RoomCategory.objects.all(), "hotel")


# What tells the hotel of a row: the row itself, its hotel, its category, or what it describes.
Whose = Literal["pk", "hotel", "category", "payload__hotelId"]


def narrow(request: HttpRequest, rows: QuerySet[Any], whose: Whose) -> QuerySet[Any]:
    """The rows of the user's hotels."""
    own = own_hotels(request)
    if own is None:
        return rows
    if whose != "category":
        return rows.filter(**{f"{whose}__in": sorted(own)})
    # By ids, which indexes cover; a join would read every row.
    categories = RoomCategory.objects.filter(hotel__in=sorted(own)).order_by()
    return rows.filter(category__in=list(categories.values_list("pk", flat=True)))


class OfHotels(admin.ModelAdmin):
    """Rows that each belong to one hotel. Users find those of their own hotels, and can choose only
    from them."""

    whose: ClassVar[Whose]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return narrow(request, super().get_queryset(request), self.whose)

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> QuerySet[Any] | None:
        """What a form offers, and accepts, for a foreign key."""
        rows = super().get_field_queryset(db, db_field, request)
        return narrow_choices(self.admin_site, request, db_field.remote_field.model, rows)


def narrow_choices(
    site: admin.AdminSite, request: HttpRequest, model: type[Model], rows: QuerySet[Any] | None
) -> QuerySet[Any] | None:
    """The rows of the user's hotels, if the model's rows belong to hotels. None means all rows."""
    if own_hotels(request) is None or not site.is_registered(model):
        return rows
    listed = site.get_model_admin(model)
    if not isinstance(listed, OfHotels):
        return rows
    return narrow(request, model._default_manager.all() if rows is None else rows, listed.whose)


class OwnHotelsFilter(admin.RelatedFieldListFilter):
    """Offers the user's hotels alone."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """The hotels as (id, name)."""
        found: Iterable[Any] = super().field_choices(field, request, model_admin)
        return [(key, name) for key, name in found if is_own(request, key)]

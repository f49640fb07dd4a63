"""What guests read about a hotel and its categories. Each has one form, with every language."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from bookings.admin.changing import ChangesWhatWasSeen
from bookings.admin.own_hotels import OfHotels, OwnHotelsFilter, narrow_choices
from bookings.catalogue import inventory
from bookings.content import addresses
from bookings.content.amenities import BEDS, MAX_BEDS, OF_HOTELS, OF_ROOMS
from bookings.content.occupants import judge_who
from bookings.domain.email_addresses import normalise_address
from bookings.infrastructure.texts import LinesField
from bookings.models import (
    LONG_TEXT,
    CategoryContent,
    Hotel,
    HotelContent,
    RoomCategory,
    TextsField,
)

# What such a template shows: a name and a URL.
Link = dict[str, str]

MARKDOWN = (
    "You may write <code>**bold**</code>, <code># Heading</code>, <code>- list</code>, and "
    "<code>[link](https://example.org)</code> in every text that has a box for each language. "
    "Guests read the text in their language. If that box is empty, they read it in another one."
)


class PartsInput(forms.MultiWidget):
    """An input for each part of a value, with the part's label before it."""

    def __init__(self, inputs: Mapping[str, forms.Widget], labels: Mapping[str, Any]) -> None:
        super().__init__(dict(inputs))
        self.codes = tuple(inputs)
        self.labels = labels
        # What all of them are, for readers of the screen; the field sets it.
        self.legend: Any = ""

    def decompress(self, value: Any) -> list[Any]:
        value = value or {}
        return [value.get(code) for code in self.codes]

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        values = value if isinstance(value, list) else self.decompress(value)
        around = attrs or {}
        rows = []
        for code, widget, part in zip(self.codes, self.widgets, values, strict=True):
            own = {**around, "id": f"{around.get('id', name)}_{code}"}
            shown = widget.render(f"{name}_{code}", part, own, renderer)
            rows.append((own["id"], self.labels[code], shown))
        return format_html(
            '<div class="parts" role="group" aria-label="{}">{}</div>',
            self.legend,
            format_html_join("", '<p><label for="{}">{}</label>{}</p>', rows),
        )


class PartsField(forms.MultiValueField):
    """A document with a value for each part that is not empty."""

    widget: PartsInput

    def __init__(self, parts: Mapping[str, forms.Field], **options: Any) -> None:
        labels = {code: part.label for code, part in parts.items()}
        inputs: dict[str, Any] = {code: part.widget for code, part in parts.items()}
        self.codes = tuple(parts)
        super().__init__(
            fields=tuple(parts.values()),
            widget=PartsInput(inputs, labels),
            require_all_fields=False,
            **{**options, "required": False},
        )
        self.widget.legend = self.label

    def compress(self, data_list: Any) -> dict[str, Any]:
        return {code: value for code, value in zip(self.codes, data_list, strict=False) if value}


class TextsFormField(PartsField):
    """A text in each language of the site."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        rows = 12 if max_length >= LONG_TEXT else 5
        parts = {
            code: LinesField(
                label=name,
                required=False,
                max_length=max_length,
                widget=forms.Textarea(attrs={"rows": rows, "lang": code}),
                error_messages={"max_length": f"{name}: use at most {max_length:,} characters."},
            )
            for code, name in settings.LANGUAGES
        }
        for part in parts.values():
            # A browser would cut off the end of a pasted text, and say nothing.
            del part.widget.attrs["maxlength"]
        super().__init__(parts, **options)


class BedsField(PartsField):
    """How many beds there are of each kind."""

    def __init__(self, **options: Any) -> None:
        parts = {}
        for code, name in BEDS.items():
            # The admin is always in English.
            fault = f"{name}: enter a whole number from 0 to {MAX_BEDS}."
            parts[code] = forms.IntegerField(
                label=str(name),
                required=False,
                min_value=0,
                max_value=MAX_BEDS,
                error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), fault),
            )
        super().__init__(parts, **options)


class AmenitiesField(forms.MultipleChoiceField):
    """Codes of amenities, in the order of the list that they come from."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, names: Mapping[str, Any]) -> None:
        super().__init__(choices=list(names.items()), required=False)
        self.codes = tuple(names)

    def clean(self, value: Any) -> list[str]:
        chosen = set(super().clean(value))
        return [code for code in self.codes if code in chosen]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether a code of ours was added or removed; one of a later release stays otherwise."""
        return super().has_changed([code for code in initial or () if code in self.codes], data)


class HotelContentForm(forms.ModelForm):
    amenities = AmenitiesField(OF_HOTELS)
    country = forms.ChoiceField(
        required=False,
        choices=lambda: [("", "---------"), *addresses.countries().items()],
        error_messages={"invalid_choice": "Choose a country from the list."},
    )

    def clean_map_url(self) -> str:
        return self._read("map_url", addresses.read_map_url)

    def clean_email(self) -> str:
        return self._read("email", normalise_address)

    def clean_phone(self) -> str:
        """A number without a country code is one of the country that the form says, or else of the
        hotel's time zone."""
        country = self.cleaned_data.get("country") or self._country_of_time_zone()
        return self._read("phone", lambda text: addresses.read_phone(text, country))

    def _country_of_time_zone(self) -> str:
        chosen = self.cleaned_data.get("hotel")
        hotel = inventory.find_hotel(chosen.pk if chosen else self.instance.pk)
        return hotel.country if hotel else ""

    def _read(self, name: str, read: Any) -> str:
        text: str = self.cleaned_data[name]
        try:
            return read(text) if text else ""
        except ValueError as fault:
            raise ValidationError(str(fault)) from None


class CategoryContentForm(forms.ModelForm):
    amenities = AmenitiesField(OF_ROOMS)
    beds = BedsField(label="Beds")

    def clean(self) -> None:
        super().clean()
        chosen = self.cleaned_data.get("category")
        category = inventory.find_category(chosen.pk if chosen else self.instance.pk or "")
        most = {name: self.cleaned_data.get(name) for name in ("adults", "children")}
        if category is not None:
            for name, fault in judge_who(category.occupancy, **most).items():
                self.add_error(name, fault)


class ContentAdmin(OfHotels, ChangesWhatWasSeen):
    """The content of the object that the field `whole` names, which never changes."""

    formfield_overrides: ClassVar[dict[Any, Any]] = {TextsField: {"form_class": TextsFormField}}
    list_per_page = 50
    change_form_template = "admin/bookings/content/change_form.html"
    # What the content can be about. A query set asks MongoDB only once it is narrowed down.
    offered: ClassVar[QuerySet[Any]]
    # What is wrong with a whole that is not offered.
    taken = ""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return (self.whole,) if obj else ()

    def view_on_site(self, content: Any) -> str:
        """The page on which guests read it."""
        whole = getattr(content, self.whole)
        return page_of(whole.pk if isinstance(whole, Hotel) else whole.hotel_id)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offers those that have no content yet."""
        field = super().formfield_for_foreignkey(db_field, request, **options)
        if db_field.name == self.whole and field is not None:
            have_content = list(self.model._default_manager.values_list("pk", flat=True))
            offered = self.offered.exclude(pk__in=have_content)
            field.queryset = narrow_choices(self.admin_site, request, offered.model, offered)
            field.error_messages["invalid_choice"] = self.taken
            widget: Any = field.widget
            widget.can_add_related = widget.can_change_related = False
            widget.can_delete_related = widget.can_view_related = False
        return field

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Content goes with its whole, so who may delete that may delete the content."""
        whole: Any = self.opts.get_field(self.whole).related_model
        return self.admin_site.get_model_admin(whole).has_delete_permission(request)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        if content := options.get("obj"):
            context["beside"] = self._link_to_whole(request, content)
        return super().render_change_form(request, context, *args, **options)

    def _link_to_whole(self, request: HttpRequest, content: Any) -> Link | None:
        whole: Any = self.opts.get_field(self.whole).related_model
        if not self.admin_site.get_model_admin(whole).has_view_permission(request):
            return None
        url = reverse(f"admin:bookings_{whole._meta.model_name}_change", args=[quote(content.pk)])
        return {"name": str(whole._meta.verbose_name).capitalize(), "url": url}


def page_of(hotel_id: str) -> str:
    """The path of the hotel's page for guests."""
    return reverse("hotel", args=[hotel_id])


class LinksToContent(admin.ModelAdmin):
    """For what has content: the page of each object links to its content, or to adding it.

    The templates `admin/bookings/<model>/change_form.html` show the link.
    """

    content: type[HotelContent] | type[CategoryContent]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        if obj := options.get("obj"):
            context["beside"] = self._link_to_content(request, obj)
        return super().render_change_form(request, context, *args, **options)

    def _link_to_content(self, request: HttpRequest, obj: Any) -> Link | None:
        of_content = self.admin_site.get_model_admin(self.content)
        page = f"admin:bookings_{self.content._meta.model_name}"
        if self.content._default_manager.filter(pk=obj.pk).exists():
            is_allowed = of_content.has_view_permission(request)
            url = reverse(f"{page}_change", args=[quote(obj.pk)])
        else:
            is_allowed = of_content.has_add_permission(request)
            url = f"{reverse(f'{page}_add')}?{urlencode({self.content._meta.pk.name: obj.pk})}"
        return {"name": "Content for guests", "url": url} if is_allowed else None


@admin.register(HotelContent)
class HotelContentAdmin(ContentAdmin):
    form = HotelContentForm
    whose = "pk"
    offered = Hotel.objects.all()
    whole = "hotel"
    taken = "This hotel has content already, or is gone; choose another one."
    list_display = ("hotel", "city", "country")
    list_select_related = ("hotel",)
    search_fields = ("hotel__name", "hotel__id")
    fieldsets = (
        (None, {"fields": ("hotel",)}),
        ("Description", {"fields": ("description", "amenities"), "description": MARKDOWN}),
        (
            "Where it is",
            {"fields": ("street", "postal_code", "city", "country", "map_url", "directions")},
        ),
        ("Contact", {"fields": ("phone", "email")}),
        ("House rules and arrival", {"fields": ("house_rules", "arrival")}),
        ("Legal texts", {"fields": ("terms", "privacy", "imprint")}),
    )


@admin.register(CategoryContent)
class CategoryContentAdmin(ContentAdmin):
    form = CategoryContentForm
    whose = "category"
    offered = RoomCategory.objects.select_related("hotel").order_by("hotel__name", "name")
    whole = "category"
    taken = "This category has content already, or is gone; choose another one."
    list_display = ("category", "hotel", "size_m2")
    list_filter = (("category__hotel", OwnHotelsFilter),)
    list_select_related = ("category__hotel",)
    search_fields = ("category__name", "category__id")
    fieldsets = (
        (None, {"fields": ("category",)}),
        (
            "Description",
            {"fields": ("description", "size_m2", "beds", "amenities"), "description": MARKDOWN},
        ),
        (
            "Who may stay",
            {
                "fields": ("adults", "children"),
                "description": (
                    "How many guests a room takes is part of the category. Here you can say who "
                    "they may be: for three guests, 2 adults and 1 child, say. Leave a field "
                    "empty, and guests read nothing about it."
                ),
            },
        ),
    )

    @admin.display(description="hotel")
    def hotel(self, content: CategoryContent) -> str:
        return content.category.hotel.name

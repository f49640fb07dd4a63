"""Shared parts of the manager's pages. Each replaces a list of rows in the admin's index."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from bookings.admin.own_hotels import list_own
from bookings.admin.staff_requests import StaffRequest, is_of_staff, may
from bookings.catalogue.inventory import HotelFacts
from bookings.models import Hotel
from bookings.people.chosen_hotel import choose_hotel


class ManagerPage(admin.ModelAdmin):
    """One page for users with the permission `needs`; `show` makes the response. Who has all the
    permissions in `changes` is offered *Change* in the admin's index, others *View*."""

    needs: str
    changes: tuple[str, ...] = ()
    title: str
    template: str

    def get_urls(self) -> list[URLPattern]:
        return [self.page("", self.changelist_view, "changelist")]

    def page(self, route: str, view: Any, name: str) -> URLPattern:
        """A URL pattern under the page's own URL, named like Django's."""
        full = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(route, self.admin_site.admin_view(view), name=full)

    def show(self, request: StaffRequest) -> HttpResponse:
        """The response to a request by a user who may see the page."""
        raise NotImplementedError

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self.check_may(request, self.needs)
        assert is_of_staff(request), "the admin site asks for a login first"
        return self.show(request)

    def render(self, request: HttpRequest, **context: Any) -> HttpResponse:
        """The page's template with this context."""
        page = {
            **self.admin_site.each_context(request),
            "title": self.title,
            "opts": self.opts,
            **context,
        }
        return TemplateResponse(request, self.template, page)

    def check_may(self, request: HttpRequest, *needed: str) -> None:
        """Raises PermissionDenied if the user lacks one of these permissions."""
        if not may(request, *needed):
            raise PermissionDenied

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request, self.needs)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.needs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(self.changes) and may(request, *self.changes)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class HotelChoiceForm(forms.Form):
    """A choice of one of the user's hotels. If none is chosen, it is the one that the user chose
    before, on any page, or else the first by name."""

    hotel = forms.ChoiceField(
        required=False, error_messages={"invalid_choice": "There is no such hotel."}
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.hotels = {hotel.id: hotel for hotel in list_own(request)}
        chooser = self.fields["hotel"]
        assert isinstance(chooser, forms.ChoiceField)
        chooser.choices = [(hotel.id, hotel.name) for hotel in self.hotels.values()]
        usual = self._choose("")
        chooser.initial = usual.id if usual else ""
        if self.is_bound and usual and not self.data.get("hotel"):
            assert isinstance(self.data, QueryDict), "it is a browser's form"
            self.data = self.data.copy()
            self.data["hotel"] = usual.id

    def hotel_to_show(self) -> HotelFacts | None:
        """The hotel that was chosen, also if another field is wrong; the usual one if it is
        unknown; None if there are no hotels."""
        self.is_valid()
        found: HotelFacts | None = self.cleaned_data.get("hotel", self._choose(""))
        return found

    def tell_faults(self, request: HttpRequest) -> None:
        """Says what is wrong with the choice, for a page that then shows its usual one."""
        for faults in self.errors.values():
            messages.warning(request, " ".join(map(str, faults)))

    def clean_hotel(self) -> HotelFacts | None:
        return self._choose(self.cleaned_data["hotel"])

    def _choose(self, wanted: str) -> HotelFacts | None:
        shown = choose_hotel(self.request, list(self.hotels.values()), wanted)
        return shown.hotel if shown else None


def note(request: HttpRequest, message: str, *, about: Model, action: int = CHANGE) -> None:
    """Writes to the admin's log that this user did this to the object."""
    LogEntry.objects.create(
        user_id=request.user.pk,
        content_type=ContentType.objects.get_for_model(about, for_concrete_model=False),
        object_id=about.pk,
        object_repr=str(about)[:200],
        action_flag=action,
        change_message=message,
    )


def hotel_to_note(hotel: HotelFacts) -> Hotel:
    """The hotel as a model, for `note`, without a query."""
    return Hotel(pk=hotel.id, name=hotel.name)

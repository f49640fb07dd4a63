"""The page of the hotels' rules for how long guests' data is kept."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from bookings.admin.desk.access import ERASE, desk_page, show
from bookings.admin.manager.pages import hotel_to_note, note
from bookings.admin.own_hotels import find_own, list_own
from bookings.admin.records import staff
from bookings.admin.staff_requests import StaffRequest
from bookings.catalogue.inventory import HotelFacts
from bookings.infrastructure.quantities import quantity
from bookings.people import retention, retention_rules
from bookings.people.retention_rules import MAX_YEARS, MIN_YEARS

CHANGED_SINCE = "Someone else has changed this rule meanwhile, and nothing was done; look at it."


class RuleForm(forms.Form):
    """How long a hotel keeps the data, and the rule that the page showed. Empty means no rule."""

    hotel = forms.CharField(widget=forms.HiddenInput)
    years = forms.IntegerField(
        label="Years after the stay", min_value=MIN_YEARS, max_value=MAX_YEARS, required=False
    )
    before = forms.IntegerField(
        widget=forms.HiddenInput, min_value=MIN_YEARS, max_value=MAX_YEARS, required=False
    )


@desk_page(ERASE)
@require_http_methods(["GET", "HEAD", "POST"])
def show_rules(request: StaffRequest) -> HttpResponse:
    """The rules; previews one before it is switched on."""
    form = RuleForm(request.POST) if request.method == "POST" else None
    hotel = preview = None
    if form is not None and form.is_valid():
        hotel = find_own(request, form.cleaned_data["hotel"])
        years = form.cleaned_data["years"]
        if hotel is not None and ("set" in request.POST or years is None):
            _set(request, hotel, form)
            return HttpResponseRedirect(reverse("desk:retention"))
        if hotel is not None:
            preview = retention.preview(hotel.id, years)
    rules = retention_rules.list_rules()
    return show(
        request,
        "retention.html",
        "How long guests’ data is kept",
        rows=[(each, rules.get(each.id)) for each in list_own(request)],
        form=form,
        chosen=hotel,
        preview=preview,
        most=retention.MAX_COUNTED,
        least_years=MIN_YEARS,
        most_years=MAX_YEARS,
    )


def _set(request: StaffRequest, hotel: HotelFacts, form: RuleForm) -> None:
    years, before = form.cleaned_data["years"], form.cleaned_data["before"]
    if not retention_rules.set_rule(hotel.id, years, before=before, by=staff(request)):
        messages.error(request, CHANGED_SINCE)
        return
    if years is None:
        text = "Guests’ data is kept without a limit now."
    else:
        text = f"Guests’ data is erased {quantity(years, 'year')} after the stay now."
    note(request, text, about=hotel_to_note(hotel))
    messages.success(request, f"{hotel.name}: {text}")

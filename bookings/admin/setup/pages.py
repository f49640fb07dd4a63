"""The pages of the set-up: hotel, categories, rooms, photos, colleagues, preview."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from bookings.admin.manager.pages import hotel_to_note, note
from bookings.admin.own_hotels import find_own, list_own
from bookings.admin.setup.forms import (
    ALL_HOTELS,
    CHANGED_SINCE,
    NEW_COLLEAGUES,
    SEEN,
    CategoriesForm,
    ColleagueRow,
    HotelStepForm,
    RoomsForm,
    digest_of,
    told_of,
)
from bookings.admin.staff_requests import may
from bookings.catalogue import inventory, setting_up
from bookings.catalogue.inventory import HotelFacts
from bookings.catalogue.setting_up import (
    ChangedMeanwhile,
    NothingToSell,
    NotThere,
    SetUpAlready,
)
from bookings.content import reading
from bookings.content.photos.facts import read_photos
from bookings.infrastructure.quantities import quantity
from bookings.operations import checklist
from bookings.people import colleagues, team
from bookings.people.colleagues import INVITED, JOINED, CannotJoin
from bookings.stays import queries

# The set-up of a hotel adds and changes all of these, so it needs the right to each.
NEEDS = (
    "bookings.change_hotel",
    "bookings.add_roomcategory",
    "bookings.change_roomcategory",
    "bookings.add_room",
)

# A new hotel is for the whole site.
NEEDS_FOR_NEW = "bookings.add_hotel"

# Who may make accounts and give them roles.
INVITES = ("auth.add_user", "auth.change_user")

STEPS = (
    ("hotel", "Hotel"),
    ("categories", "Categories"),
    ("rooms", "Rooms"),
    ("photos", "Photos"),
    ("colleagues", "Colleagues"),
    ("preview", "Preview and open"),
)

GONE = "This was deleted meanwhile, so nothing was saved."

Page = Callable[..., HttpResponse]


def set_up_page(view: Page) -> Page:
    """Makes a view a page of the set-up, for staff with the rights that it needs."""

    @wraps(view)
    def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        if not may(request, *NEEDS):
            raise PermissionDenied
        return view(request, *arguments, **named)

    return admin.site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(guarded))


@set_up_page
def start(request: HttpRequest) -> HttpResponse:
    """Leads to the user's hotels that are being set up, or to a new one if there are none."""
    begun = [hotel for hotel in list_own(request) if not hotel.is_open]
    may_add = may(request, NEEDS_FOR_NEW)
    if not begun and may_add:
        return HttpResponseRedirect(reverse("setup:new"))
    return _show(request, "start.html", "Set up a hotel", begun=begun, may_add=may_add)


# --- 1: the hotel -------------------------------------------------------------------------------


@set_up_page
def new(request: HttpRequest) -> HttpResponse:
    """Adds a hotel that is not open yet."""
    if not may(request, NEEDS_FOR_NEW):
        raise PermissionDenied
    form = HotelStepForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        values = dict(form.cleaned_data)
        email, hotel_id = values.pop("email"), values.pop("id")
        try:
            hotel_id = setting_up.add_hotel(hotel_id=hotel_id, **values)
        except SetUpAlready as already:
            text = f"{values['name']} is being set up already, and nothing was added. Go on here."
            messages.warning(request, text)
            return _go("hotel", already.hotel)
        except IntegrityError:
            form.add_error("id", "Someone else has just taken this; choose another short name.")
        else:
            about = hotel_to_note(_find(request, hotel_id))
            note(request, "Added in the set-up.", about=about, action=ADDITION)
            try:
                setting_up.change_hotel(hotel_id, before={"email": ""}, after={"email": email})
            except ChangedMeanwhile:
                text = "Someone else has just written another e-mail address; look at it."
                messages.warning(request, text)
                return _go("hotel", hotel_id)
            return _go("categories", hotel_id)
    return _show(request, "hotel.html", "Set up a hotel", form=form, step="hotel")


@set_up_page
def change_hotel(request: HttpRequest, hotel_id: str) -> HttpResponse:
    """Changes the hotel while it is not open. After that, the admin's own page does."""
    hotel = _find(request, hotel_id)
    if hotel.is_open:
        return HttpResponseRedirect(reverse("admin:bookings_hotel_change", args=[hotel.id]))
    told = _tell(hotel)
    seen = digest_of(told)
    data = request.POST if request.method == "POST" else None
    form = HotelStepForm(data, hotel=hotel, initial=told)
    # What was sent twice, or again after going back, asks for what is there.
    if form.is_valid() and form.data.get(SEEN) != seen and form.cleaned_data != told:
        form.add_error(None, CHANGED_SINCE)
    if form.is_valid():
        after = dict(form.cleaned_data)
        if after["currency"] != hotel.currency and queries.may_be_repriced(
            hotel.id, hotel.desk_day()
        ):
            text = f"Bookings from today on are priced in {hotel.currency}; cancel them first."
            form.add_error("currency", text)
        else:
            try:
                setting_up.change_hotel(hotel.id, before=told, after=after)
            except ChangedMeanwhile:
                form.add_error(None, CHANGED_SINCE)
                seen = digest_of(_tell(_find(request, hotel.id)))
            else:
                _say_currency(request, hotel, after["currency"])
                if form.changed_data:
                    note(request, "Changed in the set-up.", about=hotel_to_note(hotel))
                return _go("categories", hotel.id)
    return _show(request, "hotel.html", hotel.name, form=form, step="hotel", hotel=hotel, seen=seen)


def _tell(hotel: HotelFacts) -> dict[str, Any]:
    """What the form shows of the hotel as it is now."""
    about = reading.find_hotel_content(hotel.id)
    return told_of(hotel, about.email if about else "")


def _say_currency(request: HttpRequest, hotel: HotelFacts, currency: str) -> None:
    if currency != hotel.currency and inventory.list_categories(hotel.id):
        messages.warning(request, f"Look at the prices below again: they are in {currency} now.")


# --- 2: the categories --------------------------------------------------------------------------


@set_up_page
def categories(request: HttpRequest, hotel_id: str) -> HttpResponse:
    """Adds and changes categories: name, guests, and the usual price of a night."""
    hotel = _find(request, hotel_id)
    found = inventory.list_categories(hotel.id)
    form = CategoriesForm(hotel, found, request.POST if request.method == "POST" else None)
    fault = ""
    if request.method == "POST" and form.is_valid():
        if form.is_stale and not _is_the_same(form):
            fault = CHANGED_SINCE
        elif not form.filled:
            fault = "Add at least one category, such as Double."
        else:
            try:
                _save_categories(request, hotel, form)
            except ChangedMeanwhile:
                fault = (
                    "Someone else has just changed the categories. Look at them, and save again."
                )
                form = CategoriesForm(hotel, inventory.list_categories(hotel.id), request.POST)
            except NotThere:
                raise Http404(GONE) from None
            if not fault or (form.is_valid() and _is_the_same(form)):
                return _go("categories" if "more" in request.POST else "rooms", hotel.id)
    elif form.has_errors:
        fault = "Nothing was saved. See why below."
    context: dict[str, Any] = {"form": form, "fault": fault, "hotel": hotel, "step": "categories"}
    return _show(request, "categories.html", hotel.name, **context)


def _is_the_same(form: CategoriesForm) -> bool:
    """Whether a form that is out of date asks for what is there by now: it was sent twice."""
    there = {
        (row.category.name, row.category.occupancy, row.category.default_price)
        for row in form.rows
        if row.category
    }
    asked = [
        tuple(row.cleaned_data[name] for name in ("name", "occupancy", "price"))
        for row in form.filled
    ]
    return all(each in there for each in asked)


def _save_categories(request: HttpRequest, hotel: HotelFacts, form: CategoriesForm) -> None:
    """Raises ChangedMeanwhile and NotThere. What was written before stays."""
    there = {row.category.name for row in form.rows if row.category}
    for row in form.filled:
        values = row.cleaned_data
        fields = {
            "name": values["name"],
            "occupancy": values["occupancy"],
            "default_price": values["price"],
        }
        if row.category is not None:
            setting_up.change_category(row.category, **fields)
        elif values["name"] not in there:
            setting_up.add_category(hotel.id, **fields)
    if any(row.category is None or row.has_changed() for row in form.filled):
        note(request, "Categories saved in the set-up.", about=hotel_to_note(hotel))


# --- 3: the rooms -------------------------------------------------------------------------------


@set_up_page
def rooms(request: HttpRequest, hotel_id: str) -> HttpResponse:
    """Adds rooms in bulk to each category."""
    hotel = _find(request, hotel_id)
    house = inventory.read_house(hotel.id)
    if not house:
        messages.warning(request, "Add a category first; rooms belong to one.")
        return _go("categories", hotel.id)
    form = RoomsForm(house, request.POST if request.method == "POST" else None)
    fault = ""
    if form.is_valid():
        try:
            _save_rooms(request, hotel, form)
        except ChangedMeanwhile:
            fault = (
                "Someone else has just added rooms with these names. Look at them, and save again."
            )
            form = RoomsForm(inventory.read_house(hotel.id), request.POST)
        except NotThere:
            raise Http404(GONE) from None
        else:
            return _go("rooms" if "more" in request.POST else "photos", hotel.id)
    elif form.errors:
        fault = "Nothing was saved. See why below."
    context: dict[str, Any] = {"form": form, "fault": fault, "hotel": hotel, "step": "rooms"}
    return _show(request, "rooms.html", hotel.name, **context)


def _save_rooms(request: HttpRequest, hotel: HotelFacts, form: RoomsForm) -> None:
    """Raises ChangedMeanwhile and NotThere. The rooms of earlier categories stay."""
    for category, _ in form.house:
        names = form.cleaned_data[category.id]
        if not names:
            continue
        done = setting_up.add_rooms(hotel.id, category.id, names)
        if done.added:
            text = f"{category.name}: {quantity(len(done.added), 'room')} added."
            messages.success(request, text)
            note(request, text, about=hotel_to_note(hotel))
        if done.known:
            shown = ", ".join(done.known[:10]) + (" and others" if len(done.known) > 10 else "")
            messages.info(request, f"{category.name} has these rooms already: {shown}.")


# --- 4 and 5: photos and colleagues -------------------------------------------------------------


@set_up_page
def photos(request: HttpRequest, hotel_id: str) -> HttpResponse:
    """Leads to the albums of the hotel and its categories, and says which are empty."""
    hotel = _find(request, hotel_id)
    found = read_photos(hotel.id)
    albums = [(hotel.name, len(found.own), _album("hotel", hotel.id))]
    albums += [
        (
            category.name,
            len(found.by_category.get(category.id, ())),
            _album("category", category.id),
        )
        for category in inventory.list_categories(hotel.id)
    ]
    context: dict[str, Any] = {
        "albums": albums,
        "is_off": not (settings.PHOTOS_FOLDER or settings.PHOTOS_BUCKET),
        "may_upload": may(request, "bookings.add_photo"),
    }
    return _show(request, "photos.html", hotel.name, hotel=hotel, step="photos", **context)


def _album(kind: str, key: str) -> str:
    return reverse("admin:bookings_photo_album", args=[kind, key])


@set_up_page
def invite(request: HttpRequest, hotel_id: str) -> HttpResponse:
    """Invites colleagues by mail, each with a role."""
    hotel = _find(request, hotel_id)
    may_invite = may(request, *INVITES)
    data = request.POST if request.method == "POST" else None
    if data is not None and not may_invite:
        raise PermissionDenied
    rows = [ColleagueRow(data, prefix=f"row{number}") for number in range(NEW_COLLEAGUES)]
    filled = [row for row in rows if row.is_bound and not row.is_empty]
    wrong = [row for row in filled if not row.is_valid()]
    if data is not None and not wrong:
        refused = [row for row in filled if not _invite(request, hotel, row)]
        if not refused:
            return _go("colleagues" if "more" in request.POST else "preview", hotel.id)
    context: dict[str, Any] = {
        "rows": rows,
        "may_invite": may_invite,
        "colleagues": may(request, "auth.view_user") and team.list_open_at(hotel.id),
        "sends_mail": checklist.can_send_mail(),
        "fault": "Some colleagues were not invited. See why below."
        if any(row.errors for row in filled)
        else "",
    }
    return _show(request, "colleagues.html", hotel.name, hotel=hotel, step="colleagues", **context)


def _invite(request: HttpRequest, hotel: HotelFacts, row: ColleagueRow) -> bool:
    """Invites one colleague to this hotel, or to all of them; False if the row now says why not.
    Sent again, it changes nothing."""
    values = row.cleaned_data
    address, role = values["address"], values["role"]
    try:
        result = colleagues.invite(
            address=address,
            name=values["name"],
            role=role,
            hotel=None if values["hotels"] == ALL_HOTELS else hotel.id,
        )
    except CannotJoin as refusal:
        row.add_error("address", str(refusal))
        return False
    told = {
        INVITED: f"A mail with a link to choose a password goes to {address}.",
        JOINED: f"The account of {address}, who was a guest here, has the role {role} now.",
    }.get(
        result,
        f"Nothing was sent to {address}, who works here, and has the role {role} now at each of "
        "their hotels.",
    )
    messages.success(request, told)
    user = User.objects.filter(email=address).first()
    if user is not None:
        note(request, f"Invited in the set-up as {role}.", about=user)
    return True


# --- 6: preview and opening ---------------------------------------------------------------------


@set_up_page
def preview(request: HttpRequest, hotel_id: str) -> HttpResponse:
    """Shows what is missing and how guests will see the hotel, and opens it for booking."""
    hotel = _find(request, hotel_id)
    if request.method == "POST" and not hotel.is_open:
        try:
            setting_up.open_hotel(hotel.id)
        except NothingToSell:
            messages.error(request, "Add a room for sale first; then the hotel can open.")
            return _go("rooms", hotel.id)
        except NotThere:
            raise Http404(GONE) from None
        note(request, "Opened for booking.", about=hotel_to_note(hotel))
        messages.success(request, f"{hotel.name} is open for booking.")
        return _go("preview", hotel.id)
    found = checklist.read_checklist(hotel.id)
    context: dict[str, Any] = {
        # The page's own button opens the hotel.
        "lines": [] if found is None else checklist.lines_of(found, but="open"),
        "can_open": setting_up.can_sell(hotel.id),
        "page": reverse("hotel", args=[hotel.id]),
        "house": inventory.read_house(hotel.id),
    }
    return _show(request, "preview.html", hotel.name, hotel=hotel, step="preview", **context)


# --- Shared -------------------------------------------------------------------------------------


def _find(request: HttpRequest, hotel_id: str) -> HotelFacts:
    hotel = find_own(request, hotel_id)
    if hotel is None:
        raise Http404("There is no such hotel; it may have been deleted.")
    return hotel


def _go(step: str, hotel_id: str) -> HttpResponse:
    return HttpResponseRedirect(reverse(f"setup:{step}", args=[hotel_id]))


def _show(
    request: HttpRequest,
    template: str,
    title: str,
    *,
    step: str = "",
    hotel: HotelFacts | None = None,
    seen: str = "",
    **context: Any,
) -> TemplateResponse:
    """The response with one of the pages. `seen` is the digest of what its form was made of."""
    form = context.get("form")
    is_wrong = bool(getattr(form, "errors", None)) or bool(context.get("fault"))
    names = [name for name, _ in STEPS]
    at = names.index(step) if step else 0
    steps = [
        (label, reverse(f"setup:{name}", args=[hotel.id]) if hotel else "", name == step)
        for name, label in STEPS
    ]
    context |= {
        **admin.site.each_context(request),
        "title": title,
        "hotel": hotel,
        "steps": steps,
        "number": at + 1,
        "step_name": STEPS[at][1],
        "back": steps[at - 1][1] if at and hotel else "",
        "next": steps[at + 1][1] if hotel and at + 1 < len(steps) else "",
        "seen": seen or getattr(form, "seen", ""),
        "is_wrong": is_wrong,
    }
    return TemplateResponse(request, f"admin/setup/{template}", context)

"""The hotels' own pages: what a visitor sees first, and the texts that each hotel must show.

With one hotel, its page is the site's first page; with several, that is a list of them. What these
pages say is the same for everyone, so it is kept as HTML, and only the frame around it is made each
time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bookings.availability.lowest_prices import LowestPrice, find_lowest_prices
from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.content import reading
from bookings.content.legal import LEGAL
from bookings.content.markdown import plain_text
from bookings.content.photos import facts as photos
from bookings.content.photos.facts import HotelPhotos, PhotoFacts
from bookings.content.reading import AboutHotel
from bookings.content.wording import word
from bookings.domain.money import format_money
from bookings.infrastructure.embedding import is_embedded, outside
from bookings.infrastructure.recent_reads import RecentReads, hear_of_changes
from bookings.infrastructure.texts import shorten
from bookings.people.staff_hotels import hotels_of
from bookings.web import structured_data
from bookings.web.descriptions import show_category, show_hotel
from bookings.web.languages import page_in
from bookings.web.search import carried_numbers, empty_search

# The first page of a site with several hotels, among the ids of hotels, which are never empty.
_LIST = ""

# As much as search engines show.
_SUMMARY = 155

# Each takes five round trips, and a page that took two seconds could not be kept. Further hotels
# are listed by name.
_MOST_DESCRIBED = 20

# A site with more hotels still answers, and renders the pages of the others each time.
_MOST_KEPT = 50


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Shows the only hotel, or the list of hotels with a search."""
    hear_of_changes()
    hotels = inventory.open_hotels()
    return _answer(request, hotels[0].id if len(hotels) == 1 else _LIST)


@never_cache
@require_safe
def hotel(request: HttpRequest, hotel_id: str) -> HttpResponse:
    """Shows a hotel: photos, rooms with prices, and how to get there.

    Before it is open, only staff who set up hotels see it.
    """
    hear_of_changes()
    if _find_shown(request, hotel_id) is None:
        raise Http404
    return _answer(request, hotel_id)


@never_cache
@require_safe
def legal(request: HttpRequest, hotel_id: str, text: str) -> HttpResponse:
    """Shows one of the hotel's LEGAL texts, if its owner wrote it."""
    hear_of_changes()
    found = _find_shown(request, hotel_id)
    about = reading.recent_hotel_content(hotel_id)
    if found is None or about is None or text not in LEGAL:
        raise Http404
    wording = word(getattr(about, text), get_language() or settings.LANGUAGE_CODE)
    if wording is None:
        raise Http404
    context = {
        "hotel": found,
        "title": LEGAL[text],
        "wording": wording,
        **_addresses(outside("legal", hotel_id, text)),
    }
    return render(request, "hotel/legal.html", context)


def _find_shown(request: HttpRequest, hotel_id: str) -> HotelFacts | None:
    """The hotel, if this visitor may see its pages."""
    found = inventory.recent_hotel(hotel_id)
    if found is None or found.is_open or _may_preview(request.user, hotel_id):
        return found
    return None


def _may_preview(user: Any, hotel_id: str) -> bool:
    """Whether the visitor is of the staff, and may set up this hotel."""
    if not (user.is_active and user.is_staff and user.has_perm("bookings.change_hotel")):
        return False
    own = hotels_of(user)
    return own is None or hotel_id in own


def may_set_up(user: Any) -> bool:
    """Whether the visitor is of the staff, and may set up another hotel."""
    return user.is_active and user.is_staff and user.has_perm("bookings.add_hotel")


def _answer(request: HttpRequest, hotel_id: str) -> HttpResponse:
    key = (get_language() or settings.LANGUAGE_CODE, hotel_id, is_embedded())
    # What a link from the hotel's website says of guests and rooms is in few URLs, and is not kept.
    carried = carried_numbers(request)
    page = _read_page(key, carried) if carried else _pages.get(key)
    if page is None:  # it was deleted a moment ago
        raise Http404
    return render(
        request,
        "hotel/frame.html",
        {
            "page": page,
            "hotel": page.hotel,
            # Nothing is offered here yet: staff see where to go on.
            "may_set_up": may_set_up(request.user)
            if hotel_id == _LIST and not inventory.open_hotels()
            else None,
        },
    )


@dataclass(frozen=True)
class _Page:
    """What one of these pages says in one language. `head` and `main` are HTML."""

    hotel: HotelFacts | None
    title: str
    summary: str
    head: SafeString
    main: SafeString


def _read_page(
    key: tuple[str, str, bool], carried: Mapping[str, int] | None = None
) -> _Page | None:
    """The page in the language, which is active, and with the URLs of a frame or of none, as they
    are now; None if there is no such hotel. `carried` has guests and rooms for its search."""
    _language, hotel_id, _is_embedded = key
    # What is kept is made of nothing that was kept, or it would be older than two seconds.
    hotels = inventory.list_hotels()
    shown = [hotel for hotel in hotels if hotel.is_open]
    if not hotel_id:
        context = _list_context(shown) | empty_search(shown, carried)
        return _page("list", None, _("Find a room"), "", context)
    found = next((hotel for hotel in hotels if hotel.id == hotel_id), None)
    if found is None:
        return None
    about = reading.find_hotel_content(hotel_id)
    title = f"{found.name}, {about.city}" if about and about.city else found.name
    context = _hotel_context(found, about, is_only=shown == [found])
    context |= empty_search([found], carried)
    return _page("hotel", found, title, _summary(about), context)


def _page(
    name: str, hotel: HotelFacts | None, title: str, summary: str, context: dict[str, Any]
) -> _Page:
    context |= {"title": title, "summary": summary}
    head = render_to_string(f"hotel/{name}_head.html", context)
    return _Page(hotel, title, summary, head, render_to_string(f"hotel/{name}.html", context))


_pages: RecentReads[tuple[str, str, bool], _Page] = RecentReads(
    "pages", _read_page, most=_MOST_KEPT * len(settings.LANGUAGES)
)


def _list_context(hotels: list[HotelFacts]) -> dict[str, Any]:
    described = [_describe(hotel) for hotel in hotels[:_MOST_DESCRIBED]]
    # Those with a photo first, by name like the others.
    described.sort(key=lambda each: each["photo"] is None)
    return {
        "shown": described,
        "others": [
            {"name": hotel.name, "url": reverse("hotel", args=[hotel.id])}
            for hotel in hotels[_MOST_DESCRIBED:]
        ],
        **_addresses(outside("home")),
    }


def _describe(hotel: HotelFacts) -> dict[str, Any]:
    about = reading.find_hotel_content(hotel.id)
    return {
        "name": hotel.name,
        "url": reverse("hotel", args=[hotel.id]),
        "photo": next(iter(photos.read_photos(hotel.id).own), None),
        "city": about.city if about else "",
        "from": _lowest(find_lowest_prices(hotel), hotel.currency),
    }


def _hotel_context(found: HotelFacts, about: AboutHotel | None, *, is_only: bool) -> dict[str, Any]:
    abouts = reading.list_category_contents(found.id)
    pictures = photos.read_photos(found.id)
    prices = find_lowest_prices(found)
    path = outside("home") if is_only else outside("hotel", found.id)
    language = get_language() or settings.LANGUAGE_CODE
    return {
        "hotel": found,
        "about": show_hotel(about) if about else None,
        "facts": about,
        "texts": {
            name: word(getattr(about, name), language)
            for name in ("directions", "house_rules", "arrival")
        }
        if about
        else {},
        "hero": next(iter(pictures.own), None),
        "gallery": pictures.own[1:],
        "rooms": [
            {
                "id": each.category.id,
                "name": each.category.local_name,
                "occupancy": each.category.occupancy,
                "beds": range(min(each.category.occupancy, 4)),
                "photos": pictures.by_category.get(each.category.id, ()),
                "about": show_category(abouts[each.category.id])
                if each.category.id in abouts
                else None,
                "from": _format_lowest(each, found.currency),
            }
            for each in prices
        ],
        "cheapest": _lowest(prices, found.currency),
        "cancelling": describe_cancelling(found),
        "phone_url": f"tel:{about.phone.replace(' ', '')}" if about else "",
        # What comes behind a question mark would fill in the mail.
        "mail_url": f"mailto:{quote(about.email, safe='@')}" if about else "",
        "structured": structured_data.describe_hotel(
            found,
            about,
            url=settings.SITE_URL + page_in(path, language),
            images=[_absolute(photo) for photo in pictures.own],
            rooms=[(each, abouts.get(each.category.id)) for each in prices],
            cheapest=_lowest(prices, found.currency),
        ),
        "image": _shared_image(pictures),
        "is_embedded": is_embedded(),
        **_addresses(path),
    }


def describe_cancelling(hotel: HotelFacts) -> str:
    """Until when guests may cancel, in words."""
    hours = hotel.cancel_hours
    if not hours:
        return _("Free of charge until check-in begins.")
    if hours % 24:
        return ngettext(
            "Free of charge until one hour before check-in begins.",
            "Free of charge until %(hours)s hours before check-in begins.",
            hours,
        ) % {"hours": hours}
    days = hours // 24
    return ngettext(
        "Free of charge until one day before check-in begins.",
        "Free of charge until %(days)s days before check-in begins.",
        days,
    ) % {"days": days}


def _summary(about: AboutHotel | None) -> str:
    """The beginning of the description, as search engines and other sites show it."""
    language = get_language() or settings.LANGUAGE_CODE
    wording = word(about.description, language) if about else None
    return shorten(plain_text(wording.text), _SUMMARY) if wording else ""


def _addresses(path: str) -> Mapping[str, Any]:
    """The absolute URLs of a page for crawlers: its own, and one for each language."""
    language = get_language() or settings.LANGUAGE_CODE
    return {
        "canonical": settings.SITE_URL + page_in(path, language),
        "alternates": [
            *(
                (code, settings.SITE_URL + page_in(path, code))
                for code, _name in settings.LANGUAGES
            ),
            ("x-default", settings.SITE_URL + path),
        ],
    }


def _lowest(prices: list[LowestPrice], currency: str) -> str:
    amounts = [each.price for each in prices if each.price is not None]
    return format_money(min(amounts), currency) if amounts else ""


def _format_lowest(each: LowestPrice, currency: str) -> str:
    return "" if each.price is None else format_money(each.price, currency)


def _shared_image(pictures: HotelPhotos) -> str:
    """The picture that other sites show beside a link; empty if there is none."""
    return _absolute(pictures.own[0]) if pictures.own else ""


def _absolute(photo: PhotoFacts) -> str:
    return settings.SITE_URL + photo.url(photo.widths[-1], "jpg")

"""The address that hotels link to from their own websites: `/book/<hotel>?arrival=…&departure=…`.

It is part of other people's pages, so it never changes; the pages that it leads
to may. Whatever a link says, it leads to a page on which the guest can go on.
"""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bookings.catalogue import inventory
from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.web.languages import CHOICE, chosen_in_url
from bookings.web.messages import NO_SUCH_HOTEL
from bookings.web.script_answers import go

# Of the search; what a link leaves out, the search chooses.
_DATES = ("arrival", "departure")
_NUMBERS = ("guests", "rooms")

# Longer than any date or number; the search says what is wrong with the beginning, too.
_MAX_LENGTH = 20


@never_cache
@require_safe
def book_now(request: HttpRequest, hotel_id: str) -> HttpResponse:
    """Leads to the results for the dates; without dates, to the hotel's own page, whose search has
    the guests and rooms."""
    hear_of_changes()
    language = chosen_in_url(request)
    if inventory.open_hotel(hotel_id) is None:
        return go(request, reverse("home"), error=str(NO_SUCH_HOTEL))
    asked = {
        name: text[:_MAX_LENGTH]
        for name in (*_DATES, *_NUMBERS)
        if (text := request.GET.get(name, "").strip())
    }
    # The address also works in browsers that keep no cookie.
    chosen = {CHOICE: language} if language else {}
    if asked.keys().isdisjoint(_DATES):
        return _lead(reverse("hotel", args=[hotel_id]), {**asked, **chosen})
    return _lead(reverse("stays"), {"hotel": hotel_id, **asked, **chosen})


def _lead(path: str, query: dict[str, str]) -> HttpResponse:
    return HttpResponseRedirect(f"{path}?{urlencode(query)}" if query else path)
